/* html.c - escaping, numbers, and the one style sheet of all pages. */
#include "html.h"

#include <math.h>
#include <string.h>

#include <orthsr/version.h>

/* ---- text ---- */

/* The bytes of the UTF-8 character at s, 0 when there is none. */
static size_t character(const unsigned char *s, unsigned *code) {
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;
    *code = n == 1 ? s[0] : s[0] & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) return 0;
        *code = *code << 6 | (s[i] & 0x3f);
    }
    return n > 0 && *code >= least[n] && *code <= 0x10ffff && (*code < 0xd800 || *code > 0xdfff) ? n : 0;
}

/* Controls, and code points that are no characters: HTML may not hold them. */
static int is_forbidden(unsigned code) {
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code & 0xfffe) == 0xfffe || (code >= 0xfdd0 && code <= 0xfdef);
}

void html_text(FILE *f, const char *text) {
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        unsigned code;
        size_t n = character(s, &code);
        if (n > 0 && (code == '\n' || code == '\t')) fputc(' ', f);
        else if (n == 0 || is_forbidden(code)) fputs("\xef\xbf\xbd", f); /* U+FFFD */
        else if (code == '&') fputs("&amp;", f);
        else if (code == '<') fputs("&lt;", f);
        else if (code == '>') fputs("&gt;", f);
        else if (code == '"') fputs("&quot;", f);
        else if (code == '\'') fputs("&#39;", f);
        else fwrite(s, 1, n, f);
        s += n > 0 ? n : 1;
    }
}

void html_name(FILE *f, const char *text) {
    if (text[strspn(text, " \t\n")] == '\0') {
        fputs("\xe2\x80\x93", f); /* U+2013 */
        return;
    }
    fputs("<bdi>", f);
    html_text(f, text);
    fputs("</bdi>", f);
}

const char *html_file_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* ---- numbers ---- */

static const char minus[] = "\xe2\x88\x92"; /* U+2212 */

static void number(FILE *f, double value, const char *format, int decimals, double shown, int with_plus) {
    char text[64];
    if (!isfinite(value)) {
        fputs("\xe2\x80\x93", f); /* U+2013 */
        return;
    }
    snprintf(text, sizeof text, format, decimals, shown);
    int negative = text[0] == '-', nothing = strspn(text, "-0.") == strlen(text);
    fprintf(f, "<span data-value=\"%.12g\">%s%s</span>", value, nothing ? "" : negative ? minus : with_plus ? "+" : "", text + negative);
}

void html_number(FILE *f, double value, double scale, int decimals) { number(f, value, "%.*f", decimals, value * scale, 0); }
void html_signed(FILE *f, double value, double scale, int decimals) { number(f, value, "%.*f", decimals, value * scale, 1); }
void html_short(FILE *f, double value) { number(f, value, "%.*g", 3, value, 0); }

/* ---- pictures ---- */

void html_data_uri(FILE *f, const char *type, const unsigned char *bytes, size_t n) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    fprintf(f, "data:%s;base64,", type);
    for (size_t i = 0; i < n; i += 3) {
        unsigned group = (unsigned)bytes[i] << 16 | (i + 1 < n ? (unsigned)bytes[i + 1] << 8 : 0) | (i + 2 < n ? bytes[i + 2] : 0);
        char out[4] = {digits[group >> 18], digits[group >> 12 & 63], i + 1 < n ? digits[group >> 6 & 63] : '=', i + 2 < n ? digits[group & 63] : '='};
        fwrite(out, 1, sizeof out, f);
    }
}

/* ---- the frame ---- */

/* c1 to c6 are Okabe and Ito's, told apart by every kind of eye; each theme has the shade that stands out on its ground. */
static const char *const style[] = {
    ":root{color-scheme:light dark;--ground:#fbfbfa;--panel:#fff;--ink:#1d2327;--muted:#5c666d;--rule:#dfe3e5;--grid:#e7eaec;--shade:#f1f3f4;"
    "--c1:#0068a8;--c2:#c24e00;--c3:#008060;--c4:#a8508a;--c5:#946800;--c6:#3c8fc4}\n",
    "@media(prefers-color-scheme:dark){:root{--ground:#14181b;--panel:#1b2024;--ink:#e4e8ea;--muted:#9aa5ac;--rule:#2f363b;--grid:#2a3136;--shade:#22282c;"
    "--c1:#5cb3ec;--c2:#f0925c;--c3:#45c8a0;--c4:#dd97c4;--c5:#d9b04a;--c6:#8fcdf2}}\n",
    "*{box-sizing:border-box}\n",
    "html{-webkit-text-size-adjust:100%}\n",
    "body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\",\"DejaVu Sans\",sans-serif}\n",
    "header,main,footer{max-width:1160px;margin:0 auto;padding:0 24px}\n",
    "header{padding-top:40px}\n",
    "h1{font-size:1.75rem;line-height:1.25;margin:0 0 8px;font-weight:650;letter-spacing:-.01em}\n",
    "h2{font-size:1.2rem;line-height:1.3;margin:56px 0 4px;padding-top:20px;border-top:1px solid var(--rule);font-weight:650}\n",
    "h3{font-size:1rem;margin:0 0 2px;font-weight:600}\n",
    "p{margin:4px 0 12px;max-width:74ch;text-wrap:pretty}\n",
    "p,th,td.text,dd,dt,figcaption,li,h1,code{overflow-wrap:anywhere}td{white-space:nowrap}td.text{white-space:normal}\n",
    ".lead{max-width:none}\n",
    ".lead,.note,figcaption,footer,caption{color:var(--muted)}\n",
    ".note,figcaption,footer,caption{font-size:.875rem}\n",
    "a{color:var(--c1)}\n",
    "code,pre{font:.8125rem/1.5 ui-monospace,\"SF Mono\",\"DejaVu Sans Mono\",monospace}\n",
    "pre{background:var(--shade);padding:12px 14px;border-radius:6px;white-space:pre-wrap;overflow-wrap:anywhere;margin:8px 0}\n",
    ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:16px;margin:24px 0 8px}\n",
    ".tile{max-width:380px;background:var(--panel);border:1px solid var(--rule);border-radius:8px;padding:14px 18px}\n",
    ".tile b{display:block;font-size:2rem;line-height:1.2;font-weight:600;font-variant-numeric:tabular-nums;letter-spacing:-.02em}\n",
    ".tile>span{display:block;color:var(--muted);font-size:.875rem}\n",
    ".charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(330px,100%),1fr));gap:28px 32px;margin-top:20px;align-items:start}\n",
    ".level{align-items:end}\n",
    "figure{margin:0;min-width:0}\n",
    ".pairs{grid-template-columns:repeat(auto-fit,minmax(min(440px,100%),1fr))}\n",
    "svg{display:block;width:100%;height:auto;max-width:440px;overflow:visible}\n",
    "svg text{fill:var(--muted);font-size:11px;font-family:inherit}\n",
    "svg.bar{display:inline-block;width:110px;max-width:none;vertical-align:middle}\n",
    ".key{display:flex;flex-wrap:wrap;gap:2px 16px;list-style:none;margin:0 0 6px;padding:0;font-size:.8125rem;color:var(--muted)}\n",
    ".key li::before{content:\"\";display:inline-block;background:var(--k);width:14px;height:3px;margin-right:6px;vertical-align:middle;border-radius:2px}\n",
    "details{margin-top:8px;font-size:.875rem}\n",
    "summary{cursor:pointer;color:var(--muted);width:fit-content}\n",
    ".wide{overflow-x:auto;max-width:100%}\n",
    ".tall{max-height:40rem;overflow:auto;border-bottom:1px solid var(--muted)}\n",
    ".tall thead th{position:sticky;top:0;background:var(--ground)}\n",
    "table{border-collapse:collapse;margin:10px 0;font-size:.875rem;font-variant-numeric:tabular-nums}\n",
    "caption{text-align:start;padding:0 0 6px}\n",
    "th,td{padding:5px 10px;text-align:end;border-bottom:1px solid var(--rule);vertical-align:top}\n",
    "thead th{color:var(--muted);font-weight:500;border-bottom-color:var(--muted);white-space:nowrap}\n",
    "tbody th,th:first-child,td.text,th.text{text-align:start;font-weight:400}\n",
    "tbody th,td.text{min-width:7rem;max-width:26rem}\n",
    "tr.sum th,tr.sum td{color:var(--muted)}\n",
    "tr.best th,tr.best td{font-weight:600}\n",
    "td.up{color:var(--c3)}td.down{color:var(--c2)}\n",
    ".matrix td{padding:4px 5px;min-width:2rem;text-align:center;background:color-mix(in srgb,var(--c1) calc(var(--p)*55%),var(--panel));border:1px solid var(--ground)}\n",
    ".matrix th{padding:4px 6px}\n",
    ".matrix tbody th{min-width:5.5rem;max-width:11rem}\n",
    ".matrix thead th+th{text-align:center}\n",
    ".heat{display:block;width:100%;height:auto;aspect-ratio:1;max-width:440px;image-rendering:pixelated;border:1px solid var(--rule);background:var(--panel)}\n",
    ".shots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(220px,45%),1fr));gap:18px;margin-top:16px}\n",
    ".shots img{display:block;width:100%;height:auto;border-radius:4px}\n",
    ".shots figcaption{margin-top:5px;line-height:1.35}\n",
    ".shots b{display:block;color:var(--ink);font-weight:500}\n",
    ".picture{display:block;width:100%;max-width:920px;height:auto;border-radius:4px;margin-bottom:8px}\n",
    "dl{display:grid;grid-template-columns:minmax(9rem,max-content) minmax(0,1fr);gap:4px 24px;margin:12px 0;font-size:.9375rem}\n",
    "dt{color:var(--muted)}dd{margin:0}\n",
    ".columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(330px,100%),1fr));gap:8px 48px}\n",
    ".columns>*{min-width:0}\n",
    "footer{margin-top:64px;padding-top:16px;padding-bottom:40px}\n",
    "section:first-child>h2{margin-top:24px}\n",
    "@media(max-width:600px){.drawn,.more{display:none}.sd{display:block}.matrix td{font-size:.75rem;padding:4px 0;min-width:1.6rem}.matrix tbody th{min-width:4.5rem}body{font-size:15px}header,main,footer{padding-left:16px;padding-right:16px}header{padding-top:24px}h1{font-size:1.4rem}"
    "dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:8px}th,td{padding:5px 6px}tbody th,td.text{min-width:5rem}}\n",
    "@media print{details{display:none}h2{break-after:avoid}}\n"};

void html_begin(FILE *f, const char *title) {
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta name=\"color-scheme\" content=\"light dark\">\n<title>",
          f);
    html_text(f, title);
    fputs("</title>\n<style>\n", f);
    for (size_t i = 0; i < sizeof style / sizeof *style; i++) fputs(style[i], f);
    fputs("</style>\n</head>\n<body>\n", f);
}

void html_end(FILE *f) {
    fprintf(f, "</main>\n<footer>Written by orthsr %s. This file is complete in itself: it loads nothing and runs nothing.</footer>\n</body>\n</html>\n",
            ORTHSR_VERSION_STRING);
}

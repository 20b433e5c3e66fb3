/* main.c - the orthsr tool: the table of commands, and running one of them.
 *
 * It uses the public headers only; each command is a small program of its own to read (embed.c, zeroshot.c, ...).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <orthsr/orthsr.h>

#include "commands.h"
#include "report.h"
#include "terminal.h"

const command commands[] = {
    {"info", INFO, command_info, "MODEL", "what a checkpoint or an adapter holds",
     "MODEL is a directory or a .safetensors file: a CLIP (open_clip, Hugging Face, OpenAI names) or an adapter that train wrote.", "orthsr info my-clip"},
    {"embed", EMBED, command_embed, NULL, "features of images, texts or prepared pixels",
     "Writes one row of float32 per input to a NumPy file, of unit length unless --raw. Give one of --images, --text and --pixels. Or --data: the "
     "images of a whole data set, in files of --rows rows in the directory --out, written as they become complete; the same command goes on where it was stopped.",
     "orthsr embed --model my-clip --images a.jpg b.png --out features.npy"},
    {"tokenize", TOKENIZE, command_tokenize, NULL, "token ids of texts",
     "With --json the rows are padded to the model's context: with 0, and for Hugging Face checkpoints with the end id. Without it, each line ends at the end id.",
     "orthsr tokenize --model my-clip --text captions.txt --json"},
    {"zeroshot", ZEROSHOT, command_zeroshot, NULL, "accuracy of classifying images by their class names",
     "The images are those of D/test when D has it, else the class folders in D.", "orthsr zeroshot --model my-clip --data my-images"},
    {"train", TRAIN, command_train, NULL, "adapt the model by orthogonal matrices, a learned prompt or both, from a few images per class",
     "Writes PATH/adapter, PATH/log.jsonl (a line per step) and PATH/result.json. When there are test images (D/test, or without D/train what is not drawn), it "
     "measures them before and after. PATH/report.html tells all of it to a person.",
     "orthsr train --model my-clip --data my-images --shots 16 --classes base --out run"},
    {"evaluate", EVALUATE, command_evaluate, NULL, "a table of accuracies: base to new, all classes, other data sets",
     "base-new: the first half of the classes (in the data set's order, rounded up) is base, the rest is new; images of each half are classified among its classes. "
     "cross and domain: a column per --data, and the average. Without --adapter the model itself is measured; several --adapter, say of three seeds, give a line "
     "each, their mean and their standard deviation. With --out the model itself is measured too, and a page written.",
     "orthsr evaluate --model my-clip --adapter run1/adapter --adapter run2/adapter --data my-images"},
    {"explain", EXPLAIN, command_explain, NULL, "what the model sees in an image: likely classes, and where, as a picture",
     "Prints the likeliest classes, with an adapter before and after it, and writes a PNG, and beside it a page with that and a map of each class: on the left what the network sees of the image, on the right how much "
     "each patch speaks for the class, by the frozen model; framed is what attentive CutOut cuts. Classes are those of --data or --classes-file.",
     "orthsr explain --model my-clip --data my-images --image cat.jpg --out cat-explained.png"},
    {"report", REPORT, command_report, "RUN...", "a run's page, written anew, or several runs compared on one page",
     "RUN is a directory that train or evaluate --out wrote. Of one run its report.html is made again from result.json, log.jsonl and shots/. Of several: runs that "
     "differ in the seed alone are one line, with mean and standard deviation.",
     "orthsr report run1 run2 run3 --out compared.html"},
    {"merge", MERGE, command_merge, NULL, "write the checkpoint with the adapter in its weights",
     "Same files, names and dtypes as the model's; any CLIP program opens the result.", "orthsr merge --model my-clip --adapter run/adapter --out merged"},
    {"unmerge", UNMERGE, command_merge, NULL, "take an adapter out of a merged checkpoint again",
     "M is the merged checkpoint. What the merge rounded away stays lost: float32 weights come back to rounding, float16 and bfloat16 ones to two roundings.",
     "orthsr unmerge --model merged --adapter run/adapter --out restored"},
    {"convert", CONVERT, command_convert, NULL, "write an adapter in this library's format or in PEFT's, or a model as GGUF",
     "With --model the adapter is checked against that model, and PEFT's modules are called as its family calls them. Without it they are named as in transformers' "
     "CLIPModel, and a PEFT adapter can be read when its tensors tell the sizes of its modules. With --to gguf the model of --model, with the adapter merged when one is given, becomes one "
     "file for clip.cpp.",
     "orthsr convert --adapter run/adapter --model my-clip --to peft --out for-peft"},
    {"data", DATA, command_data, "check D", "check a data set: its layout, counts, files and class names",
     "Says which layout D has, how many images each class has, and what is wrong: files that are missing or no images, images in two parts, class names that do not "
     "fit. Nothing is downloaded. The exit status is 1 when something is wrong.",
     "orthsr data check my-images"},
    {"bench", BENCH, command_bench, NULL, "how fast features and training steps are computed on this machine",
     "Measures image features, features of class prompts and training steps on made-up inputs, the least and the median of several times after a warm-up, and beside them the "
     "rate of this machine's sgemm. Configurations of a step: out has full Cayley blocks on the attention's output map of every layer, all on every map, ffn 4 "
     "blocks on fc1 and fc2, coop a learned prompt alone.",
     "orthsr bench --model my-clip --part step --config all --threads 2"},
    {"completion", COMPLETION, command_completion, "bash|zsh", "what a shell needs to complete commands, options and their values",
     "Prints a script. make install and the Debian package put it where the shells look; by hand: orthsr completion bash > "
     "~/.local/share/bash-completion/completions/orthsr, or orthsr completion zsh > DIR/_orthsr with DIR in zsh's fpath.",
     "source <(orthsr completion bash)"},
    {"help", HELP, command_help, "COMMAND", "how a command is used", "Without a command: what there is.", "orthsr help train"},
    {NULL, 0, NULL, NULL, NULL, NULL, NULL},
};

/* The library shares work out among its own threads, --threads of them; those of a BLAS would stand in their way. A BLAS reads its number when it is loaded,
 * which is before main: so say one and begin again, unless the environment says something. Where the system cannot, what follows is slower at worst. */
static void restart_with_one_blas_thread(char **argv) {
    static const char *const names[] = {"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"};
    int changed = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!getenv(names[i]) && setenv(names[i], "1", 1) == 0) changed = 1;
    if (changed) execv("/proc/self/exe", argv);
}

enum { MAX_THREADS = 4096 }; /* that the library takes */

static int run(const settings *s) {
    if (s->help) return command_help(s);
    if (s->threads.value > MAX_THREADS) return wrong_usage(s->command->name, "--threads is at most %d; 0 is one for every processor", MAX_THREADS);
    terminal_catch_signals();
    return s->command->run(s);
}

static int print_version(int as_json) {
    printf(as_json ? "{\"version\": \"%s\"}\n" : "orthsr %s\n", orthsr_version_string());
    return EXIT_SUCCESS;
}

static int dispatch(int argc, char **argv) {
    if (argc < 2) return wrong_usage(NULL, "which command?");
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0) return print_version(argc > 2 && strcmp(argv[2], "--json") == 0);
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) name = "help";
    const command *c = find_command(name);
    if (!c) return unknown_command(name);
    settings s;
    int code = settings_parse(&s, c, argc - 1, argv + 1);
    if (code == EXIT_SUCCESS) code = run(&s);
    settings_free(&s);
    return code;
}

int main(int argc, char **argv) {
    restart_with_one_blas_thread(argv);
    int code = dispatch(argc, argv);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        terminal_say("orthsr: cannot write to standard output: %s", strerror(errno));
        return EXIT_FAILURE;
    }
    return code;
}

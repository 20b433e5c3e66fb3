"""Writes lib/clip/html_entities.c: the character references of HTML 5, from Python's html.entities.

    python tests/oracle/make_entities.py
"""
import html.entities
import pathlib

names = {n.removesuffix(";") for n in html.entities.html5}
table = html.entities.html5
# What the table's layout takes for granted.
assert all(n + ";" in table and table.get(n, table[n + ";"]) == table[n + ";"] for n in names)
assert max(map(len, names)) < 32 and max(len(t.encode()) for t in table.values()) < 7 and all(n.isalnum() and n.isascii() for n in names)


def entry(name):
    text = "".join(f"\\{byte:03o}" for byte in table[name + ";"].encode())
    return f'{{"{name}", "{text}", {int(name in table)}}},'


lines = [""]
for item in map(entry, sorted(names)):
    if len(lines[-1]) + len(item) > 150:
        lines.append("")
    lines[-1] += (" " if lines[-1] else "") + item
body = "\n    ".join(lines)
path = pathlib.Path(__file__).resolve().parents[2] / "lib" / "clip" / "html_entities.c"
path.write_text(
    f"""/* html_entities.c - made by tests/oracle/make_entities.py from Python's html.entities.html5; not edited by hand. */
#include "clip/html_entities.h"

/* clang-format off */
const orthsr__html_entity orthsr__html_entities[ORTHSR__HTML_ENTITIES] = {{
    {body}
}};
/* clang-format on */
"""
)
print(len(names), "names,", path.stat().st_size, "bytes")

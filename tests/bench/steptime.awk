# steptime.awk - a model of a training step's time on 1 to 1,024 nodes, by alpha and beta of the network, from what was measured on one (docs/scaling.md).
#
# usage: awk -F, -f tests/bench/steptime.awk [-v cores=2] [-v gbit=10] [-v blocks=32] [-v how=ours|ring|tree] [-v images=1024] [-v classes=1000] docs/results/ranks.csv
#
# Rows: nodes, seconds, of these communication. A batch of `images` and `classes` class prompts is shared out; the measured node has two cores, another one
# computes and copies in proportion to its own.
#
# how: ours, every array cut among the ranks and sent at once to each (as lib/base/collective.c does); ring and tree, the same arrays by those algorithms.
BEGIN {
    cores = cores ? cores : 2
    gbit = gbit ? gbit : 10
    how = how ? how : "ours"
    images = images ? images : 1024
    classes = classes ? classes : 1000
}
$1 !~ /^#/ { m[$1] = $2 + 0 }
function most(a, b) { return a > b ? a : b }
function ceil(x) { return x == int(x) ? x : int(x) + 1 }
function log2_up(p, n) { for (n = 0; 2 ^ n < p; n++); return n }
# An array of so many bytes: `ways` 1 to its owners or from them to all, 2 both.
function moved(bytes, ways, p, rounds) {
    if (p == 1) return 0
    if (how == "ring") return ways * ((p - 1) * alpha + bytes * (p - 1) / p * beta)
    if (how == "tree") return ways * log2_up(p) * (alpha + bytes * beta)
    rounds = ways == 2 ? 2 : ceil(bytes / 4194304) # of a sum, 4 MiB at a time
    return rounds * (alpha + (p - 1) * message) + ways * bytes * (p - 1) / p * beta
}
END {
    speed = cores / 2
    alpha = m["alpha_us"] / 1e6
    message = m["message_us"] / 1e6
    beta = 8 / (gbit * 1e9) + m["copy_ns_per_byte"] / 1e9 / speed
    n_image = (blocks ? m["image_numbers_" blocks] : m["image_numbers"])
    n_text = (blocks ? m["text_numbers_" blocks] : m["text_numbers"])
    n = n_image + n_text
    matrices = m["matrices_s"] * (blocks ? m["matrices_share_" blocks] : 1)
    optimizer = m["optimizer_s"] * n / (m["image_numbers"] + m["text_numbers"])
    for (p = 1; p <= 1024; p *= 2) {
        image = ceil(images / p) * m["image_gflop"] / m["image_gflops"] / speed
        text = ceil(classes / p) * m["prompt_gflop"] / m["prompt_gflops"] / speed
        # consecutive targets to each rank: not less than the dearest one
        own = (matrices * most(1 / p, m["dearest_target"]) + optimizer) / speed
        behind = moved(4 * n_image, 1, p) - 2 / 3 * text # beside the class prompts' way back
        talk = most(0, behind) + moved(4 * n_text, 1, p) + moved(4 * n / 2, 1, p) + moved(4 * n, 1, p) + moved(4 * 512 * classes, 1, p) + moved(4 * 512 * classes, 2, p)
        if (p > 1) talk += m["small_exchanges"] * (how == "tree" ? 2 * log2_up(p) * alpha : alpha + (p - 1) * message)
        printf "%d %.4f %.4f\n", p, image + text + own + talk, talk
    }
}

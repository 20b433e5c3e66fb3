# method.awk - tables of what method.c measured, in Markdown: per data set base, new, H and all, means over the seeds; then the mean over the data sets.
#
# usage: awk -F, -f tests/bench/method.awk results.csv
#
# H of a row is that of its mean base and mean new accuracy, as in docs/protocols.md; +- is the standard deviation of H over the seeds; (e) the standard
# error that the number of test images leaves, which the seeds share.

function harmonic(b, n) { return b + n > 0 ? 2 * b * n / (b + n) : 0 }

{
    key = $1 SUBSEP $2
    if (!($1 in seen_data)) { seen_data[$1] = 1; data[++n_data] = $1 }
    if (!($2 in seen_arm)) { seen_arm[$2] = 1; arm[++n_arms] = $2 }
    runs[key]++; base[key] += $4; new[key] += $5; all[key] += $7
    h[key] += $6; hh[key] += $6 * $6
    base_images[key] = $8; new_images[key] = $9
}

END {
    printf "| |"
    for (d = 1; d <= n_data; d++) printf " %s: base | new | H | all |", data[d]
    printf " mean H |\n|---|"
    for (d = 1; d <= n_data; d++) printf "---:|---:|---:|---:|"
    printf "---:|\n"
    for (a = 1; a <= n_arms; a++) {
        printf "| %s |", arm[a]
        sum = count = 0
        for (d = 1; d <= n_data; d++) {
            key = data[d] SUBSEP arm[a]; n = runs[key]
            if (!n) { printf " | | | |"; continue }
            b = base[key] / n; w = new[key] / n; H = harmonic(b, w)
            variance = hh[key] / n - (h[key] / n) ^ 2
            error = 0
            if (b + w > 0 && base_images[key] && new_images[key])
                error = 2 * sqrt(w ^ 4 * b * (1 - b) / base_images[key] + b ^ 4 * w * (1 - w) / new_images[key]) / (b + w) ^ 2
            printf " %.1f | %.1f | %.1f ± %.1f (%.1f) | %.1f |", 100 * b, 100 * w, 100 * H, 100 * sqrt(variance > 0 ? variance : 0), 100 * error, 100 * all[key] / n
            sum += H; count++
        }
        if (count == n_data) printf " %.1f |\n", 100 * sum / count
        else printf " |\n"
    }
}

/* gallery.h - the images that a run learned from, with where the frozen model sees their class: small JPEG files in the run's directory. */
#ifndef GALLERY_H
#define GALLERY_H

#include <jansson.h>

#include <orthsr/orthsr.h>

/* How attentive CutOut looks. */
typedef struct gallery_cut {
    orthsr_cutout_source source;
    size_t holes; /* at most GALLERY_MOST_HOLES */
    float size;
} gallery_cut;
enum { GALLERY_MOST = 48, GALLERY_MOST_HOLES = 64 };

/* Writes DIRECTORY/shots/NNN.jpg of at most GALLERY_MOST images of shots, of every class as many as of others, and takes away what an earlier run left there.
 * *out: [{"item", "class", "file", "regions": [[top, left, height, width] in patches, ...]}, ...]. */
orthsr_status gallery_write(json_t **out, const orthsr_model *model, const orthsr_dataset *shots, const char *const *templates, size_t n_templates,
                            const gallery_cut *cut, const char *directory, orthsr_error *error);

#endif

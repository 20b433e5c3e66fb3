/* fashion.h - Fashion-MNIST as Debian's dataset-fashion-mnist installs it: gzipped IDX files, read through zlib. */
#ifndef FASHION_H
#define FASHION_H

#include <stddef.h>
#include <stdint.h>

#include <orthsr/orthsr.h>

#include "camera.h"

enum { FASHION_SIDE = CAMERA_SIDE, FASHION_CLASSES = 10 };
extern const char *const fashion_names[FASHION_CLASSES];

/* The first `most` images (0: all) of "train" or "t10k" under directory, seen by the demo's camera. */
orthsr_status fashion_open(orthsr_dataset **out, const char *directory, const char *part, size_t most, orthsr_error *error);

#endif

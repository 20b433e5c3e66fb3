/* embed_stream.h - `orthsr embed --data`: features of a data set of any length, in many files. */
#ifndef EMBED_STREAM_H
#define EMBED_STREAM_H

#include "options.h"

int embed_stream(const settings *s);

#endif

/* camera.h - the demo's change of camera: the same objects seen by a camera that is turned. In whole numbers, so that everyone measures the same. */
#ifndef CAMERA_H
#define CAMERA_H

#include <stddef.h>
#include <stdint.h>

#define CAMERA_SIDE 28 /* pixels */
#define CAMERA_TEXT "turned by 25 degrees about the centre, bilinear, black outside"

/* out and in: n gray images (CAMERA_SIDE, CAMERA_SIDE). They may not overlap. */
void camera_turn(uint8_t *out, const uint8_t *in, size_t n);

#endif

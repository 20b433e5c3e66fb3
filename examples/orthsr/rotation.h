/* rotation.h - how far an adapter turns each map, and that it keeps the energy of its neurons. */
#ifndef ROTATION_H
#define ROTATION_H

#include <jansson.h>

#include <orthsr/orthsr.h>

/* Features of the side of a target's map that is rotated. */
size_t rotated_features(const orthsr_adapter *adapter, size_t target);

/* One object per target: "target", "features", "blocks"; "degrees": least, 5 %, 25 %, 50 %, 75 %, 95 % and greatest of the angles by which A turns (null when
 * it is not orthogonal); "energy_before" and "energy_after": the hyperspherical energy of the neurons of W, rows with A on the input side and else columns
 * (null where it is infinite). */
orthsr_status rotations_json(json_t **out, const orthsr_model *model, const orthsr_adapter *adapter, orthsr_error *error);

#endif

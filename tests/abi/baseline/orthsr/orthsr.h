#ifndef ORTHSR_ORTHSR_H
#define ORTHSR_ORTHSR_H 
#include <orthsr/adapter.h>
#include <orthsr/array.h>
#include <orthsr/cutout.h>
#include <orthsr/dataset.h>
#include <orthsr/evaluation.h>
#include <orthsr/image.h>
#include <orthsr/model.h>
#include <orthsr/optimizer.h>
#include <orthsr/ortho.h>
#include <orthsr/prompt.h>
#include <orthsr/session.h>
#include <orthsr/status.h>
#include <orthsr/tokenizer.h>
#include <orthsr/trainer.h>
#include <orthsr/version.h>
#endif

#ifndef ORTHSR_VISIBILITY_H
#define ORTHSR_VISIBILITY_H 
#if defined(__GNUC__)
#define ORTHSR_API __attribute__((visibility("default")))
#else
#define ORTHSR_API 
#endif
#if defined(__cplusplus)
#define ORTHSR_BEGIN_DECLS extern "C" {
#define ORTHSR_END_DECLS }
#else
#define ORTHSR_BEGIN_DECLS 
#define ORTHSR_END_DECLS 
#endif
#endif

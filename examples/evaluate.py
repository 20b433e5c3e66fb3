#!/usr/bin/env python3
"""evaluate.py - the library from Python, through ctypes and nothing else: accuracy of a CLIP on your images.

    python3 evaluate.py my-clip my-images

my-clip    a directory with a CLIP checkpoint and its vocabulary
my-images  test/<class>/<image>, or another layout that the library reads

The interface is plain C - opaque handles, sizes, arrays, strings, callbacks, one struct for messages - so declaring what is called is all it takes.
The library is found through pkg-config. Prints each class's accuracy and the whole.

run: $model $images
"""
import ctypes
import subprocess
import sys
from ctypes import CFUNCTYPE, POINTER, byref, c_char, c_char_p, c_double, c_int, c_size_t, c_void_p


class Error(ctypes.Structure):
    """orthsr_error: the caller's room for one message."""

    _fields_ = [("message", c_char * 1024)]


class Failure(Exception):
    """A status that is not ORTHSR_OK, with the library's message."""


PROGRESS = CFUNCTYPE(c_int, c_size_t, c_size_t, c_void_p)  # orthsr_evaluation_callback
HANDLE = POINTER(c_void_p)  # X **out
STATUS = {  # functions that can fail; the error comes last
    "orthsr_model_open": [HANDLE, c_char_p],
    "orthsr_session_new": [HANDLE, c_void_p, c_void_p],
    "orthsr_dataset_open": [HANDLE, c_char_p, c_char_p],
    "orthsr_evaluate": [HANDLE, c_void_p, c_void_p, POINTER(c_char_p), c_size_t, PROGRESS, c_void_p],
}
OTHERS = {
    "orthsr_version_string": (c_char_p, []),
    "orthsr_model_free": (None, [c_void_p]),
    "orthsr_session_free": (None, [c_void_p]),
    "orthsr_dataset_free": (None, [c_void_p]),
    "orthsr_dataset_class_count": (c_size_t, [c_void_p]),
    "orthsr_dataset_class_name": (c_char_p, [c_void_p, c_size_t]),
    "orthsr_dataset_class_size": (c_size_t, [c_void_p, c_size_t]),
    "orthsr_evaluation_free": (None, [c_void_p]),
    "orthsr_evaluation_accuracy": (c_double, [c_void_p]),
    "orthsr_evaluation_class_accuracy": (c_double, [c_void_p, c_size_t]),
}


def load():
    """The shared library with its functions declared."""
    found = subprocess.run(["pkg-config", "--variable=libdir", "orthsr"], capture_output=True, text=True)
    if found.returncode != 0:
        raise Failure(f"{found.stderr.strip()}\nis the library installed, and its orthsr.pc on PKG_CONFIG_PATH?")
    library = ctypes.CDLL(f"{found.stdout.strip()}/liborthsr.so")
    for name, arguments in STATUS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = c_int, [*arguments, POINTER(Error)]
    for name, (result, arguments) in OTHERS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class Orthsr:
    """Handles that are freed in the reverse of the order in which they were made."""

    def __init__(self):
        self.library, self.handles = load(), []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for free, handle in reversed(self.handles):
            free(handle)

    def new(self, function, free, *arguments):
        """Calls function(&handle, ...); a failure becomes an exception."""
        handle, error = c_void_p(), Error()
        if getattr(self.library, function)(byref(handle), *arguments, byref(error)) != 0:
            raise Failure(error.message.decode())
        self.handles.append((getattr(self.library, free), handle))
        return handle


@PROGRESS
def progress(done, total, _):
    print(f"\r{done} of {total} images", end="" if done < total else "\n", file=sys.stderr, flush=True)
    return 0  # another number would stop it


def main(model_path, images):
    with Orthsr() as o:
        library = o.library
        model = o.new("orthsr_model_open", "orthsr_model_free", model_path.encode())
        test = o.new("orthsr_dataset_open", "orthsr_dataset_free", images.encode(), b"test")
        session = o.new("orthsr_session_new", "orthsr_session_free", model, None)
        templates = (c_char_p * 1)(b"a photo of a {}.")
        result = o.new("orthsr_evaluate", "orthsr_evaluation_free", session, test, templates, len(templates), progress, None)
        for label in range(library.orthsr_dataset_class_count(test)):
            name, size = library.orthsr_dataset_class_name(test, label).decode(), library.orthsr_dataset_class_size(test, label)
            print(f"{name:20} {size:6} images {100 * library.orthsr_evaluation_class_accuracy(result, label):8.2f} %")
        print(f"{'accuracy':20} {'':6}        {100 * library.orthsr_evaluation_accuracy(result):8.2f} %  (orthsr {library.orthsr_version_string().decode()})")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: evaluate.py MODEL IMAGES")
    try:
        main(*sys.argv[1:])
    except Failure as failure:
        sys.exit(f"evaluate.py: {failure}")

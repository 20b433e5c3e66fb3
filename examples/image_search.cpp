// image_search.cpp - C++: the pictures that a sentence describes best. Handles are freed by unique_ptr, failures are exceptions.
//
//     c++ -std=c++11 image_search.cpp $(pkg-config --cflags --libs orthsr) -o image_search
//     ./image_search my-clip "a photo of shoes" *.jpg
//
// my-clip  a directory with a CLIP checkpoint and its vocabulary
//
// Prints the pictures from the nearest to the farthest, each with its cosine:
//
//     0.634  sneaker.png
//
// run: $model "a photo of a sneaker." $pictures
#include <algorithm>
#include <cstdio>
#include <exception>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <orthsr/orthsr.h>

namespace {

// One deleter for every handle of the library.
struct release {
    void operator()(orthsr_model *model) const { orthsr_model_free(model); }
    void operator()(orthsr_session *session) const { orthsr_session_free(session); }
    void operator()(orthsr_image *image) const { orthsr_image_free(image); }
};
template <typename T> using handle = std::unique_ptr<T, release>;

// A status that is not OK becomes an exception with the library's message.
class checked {
  public:
    operator orthsr_error *() { return &error_; }
    void operator()(orthsr_status status) const {
        if (status != ORTHSR_OK) throw std::runtime_error(error_.message);
    }

  private:
    orthsr_error error_{};
};

// A CLIP with the session that computes on it. Movable, and freed in the right order: members are destroyed from the last to the first.
class clip {
  public:
    explicit clip(const std::string &path) {
        checked error;
        orthsr_model *model;
        error(orthsr_model_open(&model, path.c_str(), error));
        model_.reset(model);
        orthsr_session *session;
        error(orthsr_session_new(&session, model, nullptr, error));
        session_.reset(session);
    }

    std::vector<float> text(const std::string &text) {
        checked error;
        const char *texts[] = {text.c_str()};
        std::vector<float> feature(orthsr_model_embed_dim(model_.get()));
        error(orthsr_session_encode_texts(session_.get(), feature.data(), texts, 1, error));
        return unit(std::move(feature));
    }

    std::vector<float> image(const std::string &path) {
        checked error;
        orthsr_image *opened;
        error(orthsr_image_open(&opened, path.c_str(), 0, error));
        handle<orthsr_image> image(opened);
        std::size_t side = orthsr_model_image_size(model_.get());
        std::vector<float> pixels(3 * side * side), feature(orthsr_model_embed_dim(model_.get()));
        error(orthsr_model_preprocess(model_.get(), pixels.data(), image.get(), error));
        error(orthsr_session_encode_pixels(session_.get(), feature.data(), pixels.data(), 1, error));
        return unit(std::move(feature));
    }

  private:
    static std::vector<float> unit(std::vector<float> feature) {
        orthsr_features_normalize(feature.data(), 1, feature.size());
        return feature;
    }

    handle<orthsr_model> model_;
    handle<orthsr_session> session_;
};

} // namespace

int main(int argc, char **argv) try {
    if (argc < 4) {
        std::fprintf(stderr, "usage: image_search MODEL TEXT IMAGE...\n");
        return 2;
    }
    clip model(argv[1]);
    const std::vector<float> query = model.text(argv[2]);
    std::vector<std::pair<float, std::string>> found;
    for (int i = 3; i < argc; i++) {
        const std::vector<float> feature = model.image(argv[i]);
        found.emplace_back(std::inner_product(query.begin(), query.end(), feature.begin(), 0.0F), argv[i]);
    }
    std::sort(found.rbegin(), found.rend());
    for (const auto &picture : found)
        std::printf("%6.3f  %s\n", static_cast<double>(picture.first), picture.second.substr(picture.second.rfind('/') + 1).c_str());
    return 0;
} catch (const std::exception &failure) {
    std::fprintf(stderr, "image_search: %s\n", failure.what());
    return 1;
}

/* test_mistakes.c - what people do wrong with the orthsr tool, and the answers: each says what, where, and what to do next, on one line. */
#include <stdbool.h>
#include <sys/stat.h>

#include "util/tool.h"

#define MODEL "examples/data/mini"
#define IMAGES "tests/data/images"

/* Commands of the shell in the scratch directory "@", where the images are "$images". */
static void shell(const char *commands) {
    char command[4096], *images = realpath(IMAGES, NULL);
    ck_assert_ptr_nonnull(images);
    snprintf(command, sizeof command, "cd %s && images=%s && model=$images/../../../" MODEL " && %s", scratch_directory(), images, commands);
    ck_assert_int_eq(system(command), 0);
    free(images);
}

static void make_data(void) {
    shell(
        "for c in rose tulip; do for p in train test; do mkdir -p flowers/$p/$c; cp $images/rgb8.png flowers/$p/$c/1.png; cp $images/rgb.jpg flowers/$p/$c/2.jpg; done; done; "
        "mkdir empty outer photos; cp -r flowers outer; cp $images/rgb8.png photos/a.png; : >empty.txt; echo 'no image' >broken.png; echo a list of things >list.txt; "
        "cp -r flowers broken; cp broken.png broken/train/rose/1.png; cp -r flowers ungiven; mv ungiven/test/tulip ungiven/test/tulips; "
        "cp -r $model mute; chmod -R u+w mute; rm -f mute/vocab.json mute/merges.txt mute/tokenizer.json");
    outcome o = run("train --model " MODEL " --data @/flowers --shots 1 --epochs 1 --out @/run");
    ck_assert_msg(o.code == 0, "%s", o.err);
}

/* The answer's words: what is wrong and where, and what to do. */
static const struct mistake {
    const char *arguments;
    int code;
    const char *what, *next;
} mistakes[] = {
    /* the wrong folder */
    {"zeroshot --model " MODEL " --data @/nowhere", 1, "there is no directory '", "name the one that holds train and test"},
    {"zeroshot --model " MODEL " --data @/empty", 1, "/empty' holds no class folders", "images are looked for as"},
    {"zeroshot --model " MODEL " --data @/photos", 1, "/photos' holds no class folders", "<class>/<image>.png"},
    {"zeroshot --model " MODEL " --data @/list.txt", 1, "it is a file", "manifests (.tsv) are data sets"},
    {"zeroshot --model " MODEL " --data @/outer", 1, "/outer/flowers' holds no .png", "name it itself"},
    {"train --model " MODEL " --data @/ungiven --out @/none", 1, "class 'tulips' is in the test part", "which has 'tulip'; give both the same classes"},
    /* the wrong model */
    {"zeroshot --model ViT-B-16 --data @/flowers", 1, "cannot open 'ViT-B-16'", "a directory with a checkpoint"},
    {"zeroshot --model @/flowers --data @/flowers", 1, "no weights in '", "name the directory that holds open_clip_model.safetensors"},
    {"zeroshot --model @/list.txt --data @/flowers", 1, "/list.txt'", "name a .safetensors file"},
    {"zeroshot --model @/mute --data @/flowers", 1, "no vocabulary in '", "put the model's own there"},
    {"tokenize --model @/mute --text @/list.txt", 1, "no vocabulary beside its weights", "put tokenizer.json"},
    /* the wrong adapter */
    {"evaluate --model tests/data/clip/hf --data @/flowers --adapter @/run/adapter", 1, "is 128 -> 512, the model's map",
     "take the model that it was trained on"},
    {"evaluate --model " MODEL " --data @/flowers --adapter @/run", 1, "/run' holds no adapter, but a run", "/run/adapter"},
    {"evaluate --model " MODEL " --data @/flowers --adapter @/empty", 1, "/empty' holds no adapter.safetensors", "name DIR/adapter"},
    {"evaluate --model " MODEL " --data @/flowers --adapter @/nothing", 1, "cannot open '", "name DIR/adapter"},
    {"merge --model " MODEL " --adapter @/run/adapter --out " MODEL, 1, "the model's own directory", "choose another"},
    /* names that are nearly right */
    {"trian --model " MODEL, 2, "unknown command 'trian'", "did you mean 'train'?"},
    {"help evalaute", 2, "unknown command 'evalaute'", "did you mean 'evaluate'?"},
    {"train --modle " MODEL " --data @/flowers --out @/none", 2, "unknown option '--modle'", "did you mean --model?"},
    {"train --model " MODEL " --data @/flowers --out @/none --optimizer adam", 2, "not 'adam'", "did you mean adamw?"},
    {"train --model " MODEL " --data @/flowers --out @/none --cutout attention", 2, "off|attentive|random, not 'attention'", "did you mean attentive?"},
    {"zeroshot --model " MODEL " --data @/flowers --template @@oxford_pet", 2, "no templates called '@oxford_pet'", "did you mean @oxford_pets?"},
    {"explain --model " MODEL " --data @/flowers --image @/photos/a.png --class Roze --out @/x.png", 1, "--class 'Roze' is none of the 2 classes",
     "did you mean 'rose'?"},
    {"explain --model " MODEL " --data @/flowers --image @/photos/a.png --class spaceship --out @/x.png", 1, "--class 'spaceship' is none of the 2 classes",
     "which begin with 'rose'"},
    /* values */
    {"train --model " MODEL " --data @/flowers --out @/none --lr 0,001", 2, "--lr X is a number, not '0,001'", "see 'orthsr help train'"},
    {"train --model " MODEL " --data @/flowers --out @/none --blocks 5", 1, "128 input features do not divide into 5 blocks",
     "take a number that divides them"},
    {"train --model " MODEL " --data @/flowers --out @/none --shots 0", 2, "--shots is at least 1", "or all"},
    {"train --model " MODEL " --data @/flowers --out @/none --classes base", 1, "leaves 1 of the 2 classes", "takes at least two"},
    {"zeroshot --model " MODEL " --data @/flowers --template 'a photo'", 2, "--template 'a photo' has no {}", "for the class name"},
    {"train --model " MODEL " --data @/flowers --shots 1 --epochs 2 --out @/run --resume", 1, "epochs is 1 there and 2 here", "or start anew without --resume"},
    {"evaluate --model " MODEL " --data @/flowers --protocol domain", 2, "needs --source D", "the data set with the classes trained on"},
    {"data @/flowers", 2, "what is to be done?", "There is 'check'"},
    /* files */
    {"train --model " MODEL " --data @/broken --strict --out @/none", 1, "/broken/train/rose/1.png' is neither JPEG nor PNG",
     "without --strict it is left out"},
    {"explain --model " MODEL " --data @/flowers --image @/broken.png --out @/x.png", 1, "/broken.png' is neither JPEG nor PNG", "convert it"},
    {"embed --model " MODEL " --images @/photos --out @/x.npy", 1, "/photos' is not a regular file", "name a file in it"},
    {"embed --model " MODEL " --text @/empty.txt --out @/x.npy", 1, "/empty.txt' holds nothing to embed", "a line is wanted for each"},
    {"explain --model " MODEL " --classes-file @/empty.txt --image @/photos/a.png --out @/x.png", 1, "/empty.txt' names no class", "one name per line"},
    {"embed --model " MODEL " --text @/absent.txt --out @/x.npy", 1, "cannot open '", "No such file or directory"},
    {"report @/empty", 1, "/empty' holds no result.json", "no directory that train or evaluate --out wrote"},
    /* where nothing can be written: of /proc even root is told so */
    {"train --model " MODEL " --data @/flowers --out /proc/run", 1, "cannot make the directory '/proc/run'", "name one where you may write"},
    {"train --model " MODEL " --data @/flowers --out @/no/such", 1, "cannot make the directory '", "in a directory that is there"},
    {"train --model " MODEL " --data @/flowers --out @/list.txt", 1, "/list.txt' is not a directory", "name another"},
    {"embed --model " MODEL " --text @/list.txt --out /proc/x.npy", 1, "cannot write '/proc/x.npy'", "name another place"},
};

START_TEST(test_mistake) {
    const struct mistake *m = &mistakes[_i];
    outcome o = run("%s", m->arguments);
    ck_assert_msg(o.code == m->code, "'%s': exit code %d, not %d: %s", m->arguments, o.code, m->code, o.err);
    ck_assert_msg(o.out[0] == '\0', "'%s': stdout: %s", m->arguments, o.out);
    const char *last = strrchr(o.err, '\n') ? o.err + strlen(o.err) - 1 : o.err;
    while (last > o.err && last[-1] != '\n') last--; /* a training that could begin has said what it trains */
    ck_assert_msg(strncmp(last, "orthsr", 6) == 0 && strstr(last, m->what) && strstr(last, m->next), "'%s': '%s' and '%s' are not both in: %s", m->arguments,
                  m->what, m->next, o.err);
    ck_assert_msg(access(scratch_file("none"), F_OK) != 0, "'%s' leaves a directory", m->arguments);
}
END_TEST

/* What is no failure is said all the same: more shots than there are, weights that are not those trained on, images that cannot be read. */
START_TEST(test_notes) {
    outcome o = run("train --model " MODEL " --data @/flowers --shots 100 --epochs 1 --out @/many");
    ck_assert_msg(o.code == 0 && strstr(o.err, "fewer than 100 images (rose 2, tulip 2)") && strstr(o.err, "give a smaller --shots"), "%s", o.err);
    o = run("train --model " MODEL " --data @/flowers/train --shots 100 --epochs 1 --out @/untested");
    ck_assert_msg(o.code == 0 && strstr(o.err, "no images are left to test"), "%s", o.err);
    o = run("train --model " MODEL " --data @/broken --shots 100 --epochs 1 --out @/unreadable");
    ck_assert_msg(o.code == 0 && strstr(o.err, "1 of 4 images cannot be read and are left out (--strict stops there)"), "%s", o.err);
    shell("mkdir -p alone/rose three; cp $images/rgb8.png alone/rose; for c in a b c; do cp -r alone/rose three/$c; done");
    o = run("zeroshot --model " MODEL " --data @/alone");
    ck_assert_msg(o.code == 0 && strstr(o.err, "has one class, so every answer is right and 100 % says nothing") && strstr(o.out, "100.00 %"), "%s", o.err);
    o = run("evaluate --model " MODEL " --data @/three");
    ck_assert_msg(o.code == 0 && strstr(o.err, "of the 3 classes of '") && strstr(o.err, "one alone is new"), "%s", o.err);
    o = run("zeroshot --model " MODEL " --data @/three");
    ck_assert_msg(o.code == 0 && !strstr(o.err, "note:"), "%s", o.err);
    static const char *const warm[] = {"--epochs 2 --warmup-epochs 2", "--epochs 1 --method coop", "--epochs 2 --warmup-epochs 1",
                                       "--epochs 1 --method coop --warmup-epochs 0"};
    for (size_t i = 0; i < 4; i++) {
        o = run("train --model " MODEL " --data @/flowers --shots 1 %s --out @/warm", warm[i]);
        ck_assert_msg(o.code == 0 && (strstr(o.err, "all of it is warm-up, at learning rate 1e-5") != NULL) == (i < 2), "%s: %s", warm[i], o.err);
    }
    ck_assert_int_eq(run("merge --model " MODEL " --adapter @/run/adapter --out @/merged").code, 0);
    o = run("evaluate --model @/merged --data @/flowers --adapter @/run/adapter");
    ck_assert_msg(o.code == 0 && strstr(o.err, "was trained on other weights"), "%s", o.err);
}
END_TEST

/* What train says before, and the command that it ends with: that gives its numbers. */
START_TEST(test_train_talks) {
    outcome o = run("train --model " MODEL " --data @/flowers --shots 2 --epochs 2 --batch-size 1 --template 'a {}' --template '{}' --out @/talks");
    ck_assert_msg(o.code == 0, "%s", o.err);
    static const char *const said[] = {"the frozen model is right for ",
                                       "; guessing would be for 50.00 %",
                                       "training on 4 images of 2 classes: 241472 parameters",
                                       "memory beside the model's: ",
                                       "MiB for activations",
                                       "expected: ",
                                       " for the 5 steps that are left, and "};
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) ck_assert_msg(strstr(o.err, said[i]) != NULL, "'%s' is not in: %s", said[i], o.err);
    char *next = strstr(o.out, "next:    orthsr evaluate "), *scores = strstr(o.out, "tuned "), accuracy[32];
    ck_assert_msg(next && scores, "%s", o.out);
    ck_assert_int_eq(sscanf(scores, "tuned %31s", accuracy), 1);
    char *command = strdup(next + strlen("next:    orthsr "));
    command[strcspn(command, "\n")] = '\0';
    o = run("%s", command);
    ck_assert_msg(o.code == 0 && strstr(o.out, accuracy), "%s: %s%s", command, o.out, o.err);
    free(command);
}
END_TEST

static TCase *answers(void) {
    TCase *tc = tcase_create("mistakes");
    tcase_set_timeout(tc, 120);
    tcase_add_unchecked_fixture(tc, make_data, NULL);
    tcase_add_loop_test(tc, test_mistake, 0, sizeof mistakes / sizeof mistakes[0]);
    tcase_add_test(tc, test_notes);
    tcase_add_test(tc, test_train_talks);
    return tc;
}

TEST_MAIN("mistakes", answers)

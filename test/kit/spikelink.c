/* Copyright 2026 the spike_depth_ros authors
 * SPDX-License-Identifier: Apache-2.0
 *
 * Stand-in for the library and the card driver of Spike Link Input, for tests: its C functions and
 * structures, a generator of numbered planes, and faults on request (FAKE_SPIKELINK, words):
 *
 *     no_device    Open fails
 *     unplugged    delivery stops after FAKE_FRAMES frames, and the state is no longer STARTED
 *     late         frames come after Stop returned, and until Fini
 *     other_size   frames of half the height
 *     gaps         every 10th frame is not delivered, its number is used
 *     hang         Fini does not return
 *     slow         ReleaseFrame takes a millisecond
 *
 * As the real one: one input a process, a failed Init frees the handle, null handles and frames
 * that come back after Fini abort. A frame's planes begin with their number, 8 bytes.
 * FAKE_RATE: frames a second, 0: as fast as they come back.
 */
#define _GNU_SOURCE
#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef WITHOUT_RELEASE
#define ReleaseFrame ReleaseFrameOfOthers
#endif

typedef struct { int64_t num, den; } Rational;
typedef struct { int32_t width, height; uint32_t format; Rational fps, time_base; } Picture;
typedef struct {
    void *opaque;
    uint32_t type, mode, format;
    int32_t buff_size, cusum;
    Picture picture;
} InitParams;
typedef struct { int8_t devName[256]; int32_t channels, channelMode; } PciParams;
typedef struct {
    char fileName[256];
    Rational fps;
    int64_t duration;
    int32_t skip, start, end;
    bool repeat;
} DummyParams;
typedef struct {
    uint8_t *data[3];
    int32_t linesize[3];
    int32_t format, size, width, height;
    int64_t pts, dts, duration;
    Rational time_base;
    void *opaque;
} VideoFrame;
typedef void (*Callback)(void *frame);

/* What the tests compare with their own declarations, and ask. */
int32_t size_of_init(void) { return sizeof(InitParams); }
int32_t size_of_pci(void) { return sizeof(PciParams); }
int32_t size_of_dummy(void) { return sizeof(DummyParams); }
int32_t size_of_frame(void) { return sizeof(VideoFrame); }

enum { EXCEPTION, CLOSED, OPENED, STARTED, UNKNOWN };

typedef struct { int32_t references; } Input;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static Input *initialised;
static Callback callback;
static InitParams given;
static VideoFrame *frames;
static VideoFrame **idle;
static uint8_t *memory;
static int32_t number_idle, state = CLOSED;
static int64_t delivered, lost, out;
static bool ending;
static pthread_t sender;

int64_t fake_delivered(void) { return __atomic_load_n(&delivered, __ATOMIC_SEQ_CST); }
int64_t fake_lost(void) { return __atomic_load_n(&lost, __ATOMIC_SEQ_CST); }
int64_t fake_out(void) { return __atomic_load_n(&out, __ATOMIC_SEQ_CST); }
InitParams *fake_given_address(void) { return &given; }
int32_t fake_state(void) { return state; }

static bool asked(const char *word) {
    const char *words = getenv("FAKE_SPIKELINK");
    return words && strstr(words, word);
}

static int64_t number(const char *name, int64_t otherwise) {
    const char *text = getenv(name);
    return text ? atoll(text) : otherwise;
}

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

void *CreateSpikeLinkInputPython(void) {
    Input *made = calloc(1, sizeof(Input));
    made->references = 1;
    return made;
}

int32_t Init(void *input, InitParams *params) {
    assert(input && params);
    if (initialised || !params->opaque || params->buff_size < 1 || params->cusum < 1 ||
        params->picture.width % 8) {
        free(input);
        return -1;
    }
    given = *params;
    const Picture *p = &given.picture;
    const int64_t bytes = (int64_t)p->width * p->height / 8 * given.cusum;
    memory = calloc(given.buff_size, bytes);
    frames = calloc(given.buff_size, sizeof(VideoFrame));
    idle = calloc(given.buff_size, sizeof(VideoFrame *));
    for (int32_t i = 0; i < given.buff_size; i++) {
        frames[i].data[0] = memory + i * bytes;
        idle[i] = &frames[i];
    }
    number_idle = given.buff_size;
    initialised = input;
    state = CLOSED;
    ending = false;
    delivered = lost = out = 0;
    return 0;
}

void SetCallbackPython(void *input, Callback to) {
    assert(input && to);
    callback = to;
}

bool IsOpen(void *input) {
    assert(input && initialised);
    return state == OPENED || state == STARTED;
}

int32_t Open(void *input) {
    assert(input && initialised);
    if (asked("no_device")) return -5;
    state = OPENED;
    return 0;
}

static VideoFrame *pop(void) {
    pthread_mutex_lock(&mutex);
    VideoFrame *frame = number_idle ? idle[--number_idle] : NULL;
    pthread_mutex_unlock(&mutex);
    return frame;
}

static void *send(void *unused) {
    (void)unused;
    const bool gaps = asked("gaps"), late = asked("late"), other = asked("other_size");
    const int64_t last = asked("unplugged") ? number("FAKE_FRAMES", 10) : INT64_MAX;
    const int64_t rate = number("FAKE_RATE", 0);
    const int64_t begun = now_ns();
    const Picture *p = &given.picture;
    const int64_t each = (int64_t)p->width * p->height / 8;
    for (int64_t i = 0; !ending && (late || state == STARTED); i++) {
        if (i == last) {
            state = OPENED;
            break;
        }
        if (rate) {
            const int64_t left = begun + i * 1000000000LL / rate - now_ns();
            if (left > 0) usleep(left / 1000 + 1);
        }
        if (gaps && i % 10 == 9) continue;
        VideoFrame *frame;
        while (!(frame = pop()) && !rate && state == STARTED) usleep(50);
        if (!frame) {
            __atomic_add_fetch(&lost, 1, __ATOMIC_SEQ_CST);
            continue;
        }
        for (int32_t k = 0; k < given.cusum; k++) {
            const int64_t plane = i * given.cusum + k;
            memcpy(frame->data[0] + k * each, &plane, sizeof plane);
        }
        frame->width = p->width;
        frame->height = other ? p->height / 2 : p->height;
        frame->size = (other ? each / 2 : each) * given.cusum;
        frame->pts = frame->dts = i;
        __atomic_add_fetch(&delivered, 1, __ATOMIC_SEQ_CST);
        __atomic_add_fetch(&out, 1, __ATOMIC_SEQ_CST);
        callback(frame);
    }
    return NULL;
}

int32_t Start(void *input) {
    assert(input && initialised);
    if (state != OPENED) return -1;
    state = STARTED;
    return pthread_create(&sender, NULL, send, NULL);
}

static void join(void) {
    if (sender) pthread_join(sender, NULL);
    sender = 0;
}

int32_t Stop(void *input) {
    assert(input && initialised);
    if (state == STARTED) state = OPENED;
    if (!asked("late")) join();
    return 0;
}

int32_t Close(void *input) {
    assert(input && initialised);
    assert(state != STARTED); /* the real one waits for itself forever */
    state = CLOSED;
    return 0;
}

int32_t GetState(void *input) {
    assert(input && initialised);
    return state;
}

void ReleaseFrame(void *input, void *frame) {
    assert(input && initialised);
    if (asked("slow")) usleep(1000);
    pthread_mutex_lock(&mutex);
    idle[number_idle++] = frame;
    pthread_mutex_unlock(&mutex);
    __atomic_sub_fetch(&out, 1, __ATOMIC_SEQ_CST);
}

void Fini(void *input) {
    assert(input && initialised);
    while (asked("hang")) sleep(1);
    initialised = NULL;
    ending = true;
    join();
    free(memory);
    free(frames);
    free(idle);
}

/* The driver library of the card. */
int32_t DevOpen(void *info, int32_t flag) { (void)info, (void)flag; return 0; }
int32_t DevClose(void) { return 0; }
int32_t DevOpenCh(uint32_t channel, int8_t mode) { (void)channel, (void)mode; return 0; }
int32_t DevCloseCh(uint32_t channel) { (void)channel; return 0; }
int32_t DevSendMBAlloc(uint32_t channel, void *block) { (void)channel, (void)block; return 0; }
int32_t DevReadMBFree(uint32_t channel, void *block) { (void)channel, (void)block; return 0; }
int32_t DevMBRead(uint32_t channel, void *block) { (void)channel, (void)block; return 0; }
int32_t DevMBSend(uint32_t channel, void *block) { (void)channel, (void)block; return 0; }

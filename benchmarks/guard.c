/* Allocations between guards, preloaded by benchmarks.convolutions (Linux with glibc).

While guard_on(1) is in force, a block that is aligned, as tensors are, or has 256 bytes or more ends at a page that
cannot be accessed; bytes before it, and after it up to that page (fewer than its alignment), hold a pattern that
free() looks at. A block begins as bytes 0xff, NaN as numbers. What goes beyond the end by less than a page is noted,
and then let through, since nothing is there; guard_take() tells what was noted.
*/
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t), __libc_free(void *);

enum { PAGE = 4096, PATTERN = 0xa5, LEAST = 256, READ = 1, WRITE = 2, SLACK = 4, BEFORE = 8 };
#define ARENA (1ull << 38)

typedef struct { size_t size, room; } Head; /* at the start of the page before the block */

static char *arena;
static unsigned char *is_guard; /* a byte a page */
static size_t used;
static int on, seen;

static void note(int what) { __atomic_fetch_or(&seen, what, __ATOMIC_SEQ_CST); }
static int ours(const void *p) { return arena && (char *)p >= arena && (char *)p < arena + ARENA; }

static void fault(int number, siginfo_t *info, void *context) {
    char *page = (char *)((uintptr_t)info->si_addr & ~(uintptr_t)(PAGE - 1));
    if (!ours(page) || !is_guard[(page - arena) / PAGE]) { /* a fault like any other */
        signal(number, SIG_DFL);
        return;
    }
    int writes = ((ucontext_t *)context)->uc_mcontext.gregs[REG_ERR] & 2;
    note(writes ? WRITE : READ);
    mprotect(page, PAGE, writes ? PROT_READ | PROT_WRITE : PROT_READ);
}

__attribute__((constructor)) static void begin(void) {
    int how = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    is_guard = mmap(NULL, ARENA / PAGE, PROT_READ | PROT_WRITE, how, -1, 0);
    arena = mmap(NULL, ARENA, PROT_NONE, how, -1, 0);
    if (is_guard == MAP_FAILED || arena == MAP_FAILED) abort();
    struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGSEGV, &action, NULL);
}

static void *guarded(size_t align, size_t size) {
    if (align < 16) align = 16;
    if (size == 0) size = 1;
    if (align > PAGE) return NULL;
    size_t room = (size + align - 1) / align * align, pages = (room + PAGE - 1) / PAGE;
    size_t start = __atomic_fetch_add(&used, (pages + 2) * PAGE, __ATOMIC_SEQ_CST);
    if (start + (pages + 2) * PAGE > ARENA) return NULL;
    char *front = arena + start, *end = front + (pages + 1) * PAGE, *block = end - room;
    if (mprotect(front, (pages + 1) * PAGE, PROT_READ | PROT_WRITE)) return NULL;
    memset(front, PATTERN, block - front);
    memset(block, 0xff, size);
    memset(block + size, PATTERN, room - size);
    *(Head *)front = (Head){size, room};
    is_guard[(end - arena) / PAGE] = 1;
    return block;
}

static Head *head(void *p) { return (Head *)(((uintptr_t)p & ~(uintptr_t)(PAGE - 1)) - PAGE); }

static void check(char *block) {
    Head *of = head(block);
    for (size_t i = of->size; i < of->room; i++)
        if ((unsigned char)block[i] != PATTERN) note(SLACK);
    for (char *p = (char *)(of + 1); p < block; p++)
        if ((unsigned char)*p != PATTERN) note(BEFORE);
}

void guard_on(int whether) { on = whether; }
int guard_take(void) { return __atomic_exchange_n(&seen, 0, __ATOMIC_SEQ_CST); }

void *malloc(size_t size) {
    void *p = on && size >= LEAST ? guarded(16, size) : NULL;
    return p ? p : __libc_malloc(size);
}

void *calloc(size_t count, size_t size) { return __libc_calloc(count, size); }

void *memalign(size_t align, size_t size) {
    void *p = on ? guarded(align, size) : NULL;
    return p ? p : __libc_memalign(align, size);
}

void *aligned_alloc(size_t align, size_t size) { return memalign(align, size); }

int posix_memalign(void **p, size_t align, size_t size) {
    *p = memalign(align, size);
    return *p ? 0 : ENOMEM;
}

void free(void *p) {
    if (!ours(p)) {
        __libc_free(p);
        return;
    }
    check(p);
    char *front = (char *)head(p), *end = (char *)p + head(p)->room;
    is_guard[(end - arena) / PAGE] = 0;
    int how = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
    mmap(front, end + PAGE - front, PROT_NONE, how, -1, 0); /* never used again: what still reads it is a fault */
}

void *realloc(void *p, size_t size) {
    if (!ours(p)) return __libc_realloc(p, size);
    void *to = malloc(size);
    if (to) memcpy(to, p, head(p)->size < size ? head(p)->size : size);
    if (to) free(p);
    return to;
}

size_t malloc_usable_size(void *p) {
    /* Of a block of libc's: its chunk's size word, less the header. */
    if (ours(p)) return head(p)->size;
    return p ? (((size_t *)p)[-1] & ~(size_t)7) - 2 * sizeof(size_t) : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the description section of a shared object. Nothing in the file is trusted.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <runner/sdk/file.h>

#include "plugin/internal.h"

#define MOST_SECTION (1u << 20)
#define MOST_NAMES   (16u << 20)

#if defined(__x86_64__)
#define MACHINE      EM_X86_64
#define MACHINE_NAME "x86-64"
#elif defined(__aarch64__)
#define MACHINE      EM_AARCH64
#define MACHINE_NAME "aarch64"
#else
#define MACHINE      EM_NONE
#define MACHINE_NAME "this machine"
#endif

static bool read_at(int fd, uint64_t at, void *to, size_t bytes) {
    char *p = to;
    while (bytes) {
        ssize_t n = pread(fd, p, bytes, (off_t)at);
        if (n <= 0)
            return false;
        p += n, at += (uint64_t)n, bytes -= (size_t)n;
    }
    return true;
}

/* Are bytes [at, at + n) inside the file? */
static bool inside(uint64_t at, uint64_t n, uint64_t size) {
    return at <= size && n <= size - at;
}

static int check_header(const Elf64_Ehdr *h, uint64_t size, struct rn_error *e) {
    if (memcmp(h->e_ident, ELFMAG, SELFMAG) != 0)
        return error_set(e, RN_E_PLUGIN, "it is not a shared object (no ELF file)");
    if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB ||
        h->e_machine != MACHINE)
        return error_set(e, RN_E_PLUGIN, "it is for another machine than %s",
                         MACHINE_NAME);
    if (h->e_type != ET_DYN)
        return error_set(e, RN_E_PLUGIN, "it is not a shared object (ELF type %u)",
                         h->e_type);
    if (h->e_shentsize != sizeof(Elf64_Shdr) || !h->e_shnum ||
        h->e_shstrndx >= h->e_shnum ||
        !inside(h->e_shoff, (uint64_t)h->e_shnum * sizeof(Elf64_Shdr), size) ||
        h->e_phentsize != sizeof(Elf64_Phdr) ||
        !inside(h->e_phoff, (uint64_t)h->e_phnum * sizeof(Elf64_Phdr), size))
        return error_set(e, RN_E_PLUGIN, "the file is cut short or damaged");
    return RN_OK;
}

/* All that would be mapped must be there: dlopen of a truncated file is SIGBUS. */
static int check_segments(int fd, const Elf64_Ehdr *h, uint64_t size,
                          struct rn_error *e) {
    Elf64_Phdr *p = memory_get(h->e_phnum * sizeof *p);
    bool ok = read_at(fd, h->e_phoff, p, h->e_phnum * sizeof *p);
    for (uint32_t i = 0; ok && i < h->e_phnum; i++)
        ok = p[i].p_type != PT_LOAD || inside(p[i].p_offset, p[i].p_filesz, size);
    memory_release(p);
    return ok ? RN_OK : error_set(e, RN_E_PLUGIN, "the file is cut short or damaged");
}

/* In `all`, the headers of the sections. No such section: one of no bytes. */
static int pick_section(int fd, const Elf64_Ehdr *h, uint64_t size,
                        const Elf64_Shdr *all, struct arena *a, const char *name,
                        Elf64_Shdr *out, struct rn_error *e) {
    const Elf64_Shdr *names = &all[h->e_shstrndx];
    if (!inside(names->sh_offset, names->sh_size, size) ||
        names->sh_size > MOST_SECTION || !names->sh_size)
        return error_set(e, RN_E_PLUGIN, "the file is cut short or damaged");
    char *text = arena_get(a, names->sh_size + 1);
    if (!read_at(fd, names->sh_offset, text, names->sh_size))
        return error_set(e, RN_E_PLUGIN, "the file is cut short or damaged");
    for (uint32_t i = 0; i < h->e_shnum; i++) {
        *out = all[i];
        if (out->sh_name < names->sh_size && strcmp(text + out->sh_name, name) == 0)
            return RN_OK;
    }
    *out = (Elf64_Shdr){.sh_type = SHT_NULL};
    return RN_OK;
}

static int find_section(int fd, const Elf64_Ehdr *h, uint64_t size, struct arena *a,
                        const char *name, Elf64_Shdr *out, struct rn_error *e) {
    Elf64_Shdr *all = memory_get(h->e_shnum * sizeof *all);
    int status = read_at(fd, h->e_shoff, all, h->e_shnum * sizeof *all)
                     ? pick_section(fd, h, size, all, a, name, out, e)
                     : error_set(e, RN_E_PLUGIN, "the file is cut short or damaged");
    memory_release(all);
    return status;
}

/* The bytes of a section with a NUL behind them; NULL: damaged, or too large. */
static char *read_section(int fd, const Elf64_Shdr *s, uint64_t size, uint64_t most,
                          struct arena *a) {
    if (s->sh_size > most || !s->sh_size || !inside(s->sh_offset, s->sh_size, size))
        return NULL;
    char *bytes = arena_get(a, s->sh_size + 1);
    return read_at(fd, s->sh_offset, bytes, s->sh_size) ? bytes : NULL;
}

static int no_description(struct rn_error *e) {
    error_set(e, RN_E_PLUGIN, "it describes no component (no section .rn_desc)");
    return error_hint(e, "a plugin is made with the macros of runner/abi.h");
}

const struct sanitizer *elf_sanitizer(const char *file, struct arena *a) {
    static const struct sanitizer all[] = {
        {"AddressSanitizer", "address", "__asan_init"},
        {"ThreadSanitizer", "thread", "__tsan_init"},
        {"MemorySanitizer", "memory", "__msan_init"},
        {"HWAddressSanitizer", "hwaddress", "__hwasan_init"}};
    const struct sanitizer *found = NULL;
    const char *why = NULL, *names = NULL;
    Elf64_Ehdr h;
    Elf64_Shdr section = {0};
    struct stat st;
    int fd = rn_file_open(file, O_RDONLY, &st, &why);
    uint64_t size = fd < 0 ? 0 : (uint64_t)st.st_size;
    if (size >= sizeof h && read_at(fd, 0, &h, sizeof h) &&
        check_header(&h, size, NULL) == RN_OK &&
        find_section(fd, &h, size, a, ".dynstr", &section, NULL) == RN_OK)
        names = read_section(fd, &section, size, MOST_NAMES, a);
    const char *end = names ? names + section.sh_size : NULL;
    for (const char *p = names; p && p < end; p += strlen(p) + 1)
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            if (strcmp(p, all[i].symbol) == 0)
                found = &all[i];
    if (fd >= 0)
        close(fd);
    return found;
}

int elf_read(const char *file, struct arena *a, struct file_text *out,
             struct rn_error *e) {
    Elf64_Ehdr h;
    Elf64_Shdr section = {0};
    struct stat st;
    const char *why = NULL;
    int fd = rn_file_open(file, O_RDONLY, &st, &why), status = RN_OK;
    if (fd < 0 && why)
        return error_set(e, RN_E_PLUGIN, "it %s", why);
    if (fd < 0)
        return error_set(e, RN_E_PLUGIN, "%s", strerror(errno));
    if (st.st_mode & S_IWOTH) {
        /* Whoever may write to it may run anything as the user. */
        status =
            error_set(e, RN_E_PLUGIN, "every user of this machine may write to it");
        error_hint(e, "chmod o-w %s", file);
    }
    uint64_t size = status == RN_OK ? (uint64_t)st.st_size : 0;
    if (status == RN_OK && (size < sizeof h || !read_at(fd, 0, &h, sizeof h)))
        status = error_set(e, RN_E_PLUGIN, "it is not a shared object (no ELF file)");
    if (status == RN_OK)
        status = check_header(&h, size, e);
    if (status == RN_OK)
        status = check_segments(fd, &h, size, e);
    if (status == RN_OK)
        status = find_section(fd, &h, size, a, ".rn_desc", &section, e);
    if (status == RN_OK && section.sh_type == SHT_NULL)
        status = no_description(e);
    if (status == RN_OK) {
        out->bytes = section.sh_size;
        out->texts = read_section(fd, &section, size, MOST_SECTION, a);
        if (!out->texts)
            status = error_set(e, RN_E_PLUGIN, "its section .rn_desc is damaged");
    }
    close(fd);
    return status;
}

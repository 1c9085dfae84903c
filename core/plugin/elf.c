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

/* Do bytes [at, at + n) lie in the file? */
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

/* In `all`, the headers of the sections. */
static int pick_section(int fd, const Elf64_Ehdr *h, uint64_t size,
                        const Elf64_Shdr *all, struct arena *a, Elf64_Shdr *out,
                        struct rn_error *e) {
    const Elf64_Shdr *names = &all[h->e_shstrndx];
    if (!inside(names->sh_offset, names->sh_size, size) ||
        names->sh_size > MOST_SECTION || !names->sh_size)
        return error_set(e, RN_E_PLUGIN, "the file is cut short or damaged");
    char *text = arena_get(a, names->sh_size + 1);
    if (!read_at(fd, names->sh_offset, text, names->sh_size))
        return error_set(e, RN_E_PLUGIN, "the file is cut short or damaged");
    for (uint32_t i = 0; i < h->e_shnum; i++) {
        *out = all[i];
        if (out->sh_name < names->sh_size &&
            strcmp(text + out->sh_name, ".rn_desc") == 0)
            return RN_OK;
    }
    error_set(e, RN_E_PLUGIN, "it describes no component (no section .rn_desc)");
    return error_hint(e, "a plugin is made with the macros of runner/abi.h");
}

static int find_section(int fd, const Elf64_Ehdr *h, uint64_t size, struct arena *a,
                        Elf64_Shdr *out, struct rn_error *e) {
    Elf64_Shdr *all = memory_get(h->e_shnum * sizeof *all);
    int status = read_at(fd, h->e_shoff, all, h->e_shnum * sizeof *all)
                     ? pick_section(fd, h, size, all, a, out, e)
                     : error_set(e, RN_E_PLUGIN, "the file is cut short or damaged");
    memory_release(all);
    return status;
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
        status = find_section(fd, &h, size, a, &section, e);
    if (status == RN_OK && (section.sh_size > MOST_SECTION || !section.sh_size ||
                            !inside(section.sh_offset, section.sh_size, size)))
        status = error_set(e, RN_E_PLUGIN, "its section .rn_desc is damaged");
    if (status == RN_OK) {
        out->bytes = section.sh_size;
        out->texts = arena_get(a, section.sh_size + 1);
        if (!read_at(fd, section.sh_offset, out->texts, section.sh_size))
            status = error_set(e, RN_E_PLUGIN, "its section .rn_desc is damaged");
    }
    close(fd);
    return status;
}

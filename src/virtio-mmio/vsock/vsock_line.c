/* The CONNECT line. */
#include "virtio-mmio/vsock/vsock_line.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define WORD "CONNECT"

static bool line_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static const char *line_skip_blanks(const char *at, const char *end)
{
    while (at < end && line_is_blank(*at))
        at++;
    return at;
}

/* Reads the number at `at` and returns its end. NULL: there is none, or it exceeds 32 bits. */
static const char *line_read_number(const char *at, const char *end, uint32_t *number)
{
    const char *first = at;
    uint64_t value = 0;

    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        value = value * 10 + (uint64_t)(*at - '0');
        if (value > UINT32_MAX)
            return NULL;
    }
    *number = (uint32_t)value;
    return at > first ? at : NULL;
}

/* text is the line without its newline. */
static bool line_parse(const char *text, size_t len, uint32_t *port)
{
    const char *end = text + len;
    const char *at = line_skip_blanks(text, end);

    if ((size_t)(end - at) <= strlen(WORD) || strncasecmp(at, WORD, strlen(WORD)) != 0)
        return false;
    at += strlen(WORD);
    if (!line_is_blank(*at))
        return false;
    at = line_read_number(line_skip_blanks(at, end), end, port);
    return at && line_skip_blanks(at, end) == end;
}

enum vsock_line_status vsock_line_feed(struct vsock_line *line, const char *bytes, size_t len,
                                       size_t *taken, uint32_t *port)
{
    size_t room = sizeof(line->text) - line->len;
    size_t piece = len < room ? len : room;
    const char *end = memchr(bytes, '\n', piece);

    *taken = end ? (size_t)(end - bytes) + 1 : piece;
    memcpy(line->text + line->len, bytes, *taken);
    line->len += *taken;
    if (end)
        return line_parse(line->text, line->len - 1, port) ? VSOCK_LINE_OK : VSOCK_LINE_BAD;
    return line->len < sizeof(line->text) ? VSOCK_LINE_MORE : VSOCK_LINE_BAD;
}

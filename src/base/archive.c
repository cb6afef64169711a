#include "base/archive.h"

#include <zip.h>

DEFINE_AUTO(zip_source_free, zip_source_t *)
DEFINE_AUTO(zip_discard, zip_t *)

enum {
	READ_STEP = 64 * 1024,
};

struct member {
	char name[ARCHIVE_NAME_MAX + 1];
	struct buf content;
};

struct archive {
	size_t n;
	struct member members[ARCHIVE_ENTRIES_MAX];
};

static bool broken(struct err *err, zip_error_t *why)
{
	err_set(err, ERR_CONFIG, "this is no whole ZIP archive: %s", zip_error_strerror(why));
	zip_error_fini(why);
	return false;
}

/* ---- names ---- */

static bool is_name(struct str name)
{
	struct str rest = name, segment;

	if (name.len == 0 || name.len > ARCHIVE_NAME_MAX || !str_is_utf8(name)) {
		return false;
	}
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.at[i];
		if (c < 0x20 || c == 0x7f || c == '\\' || c == ':') {
			return false;
		}
	}
	while (str_next(&rest, '/', &segment)) {
		if (segment.len == 0 || str_eq(segment, STR(".")) || str_eq(segment, STR(".."))) {
			return false;
		}
	}
	return true;
}

/* Without regard to case: on some systems they would be one file. */
static bool is_taken(const struct archive *a, struct str name)
{
	for (size_t i = 0; i < a->n; i++) {
		if (str_eq_nocase(name, str_of(a->members[i].name))) {
			return true;
		}
	}
	return false;
}

/* ---- reading ---- */

static bool is_acceptable(const zip_stat_t *st, size_t left, struct err *err)
{
	struct str name = str_first(str_of(st->name), ARCHIVE_NAME_MAX);

	if (st->encryption_method != ZIP_EM_NONE) {
		return err_set(err, ERR_CONFIG, "\"%.*s\" in the archive is encrypted",
			       STR_ARGS(name));
	}
	if (st->comp_method != ZIP_CM_STORE && st->comp_method != ZIP_CM_DEFLATE) {
		return err_set(err, ERR_CONFIG,
			       "\"%.*s\" in the archive is packed by method %u, which is not read",
			       STR_ARGS(name), st->comp_method);
	}
	if (st->size > ARCHIVE_ENTRY_MAX || st->size > left) {
		return err_set(err, ERR_LIMIT,
			       "\"%.*s\" in the archive is too large (%llu bytes; one may have "
			       "%d, all together %d)",
			       STR_ARGS(name), (unsigned long long)st->size, ARCHIVE_ENTRY_MAX,
			       ARCHIVE_TOTAL_MAX);
	}
	if (st->size > ARCHIVE_SMALL && st->size / ARCHIVE_RATIO_MAX >= st->comp_size) {
		return err_set(err, ERR_LIMIT,
			       "\"%.*s\" in the archive inflates to more than %d times its size",
			       STR_ARGS(name), ARCHIVE_RATIO_MAX);
	}
	return true;
}

/* To the end, where libzip compares checksum and size. */
static bool read_content(zip_t *zip, uint64_t at, const zip_stat_t *st, struct buf *into,
			 struct err *err)
{
	zip_file_t *file = zip_fopen_index(zip, at, 0);
	zip_int64_t n = file ? 1 : -1;

	*into = BUF(st->size + READ_STEP);
	while (n > 0) {
		char *room = buf_reserve(into, READ_STEP);
		n = room ? zip_fread(file, room, READ_STEP) : -1;
		if (n > 0) {
			buf_commit(into, (size_t)n);
		}
		n = into->len > st->size ? -1 : n;
	}
	if (file != NULL) {
		zip_fclose(file);
	}
	return (n == 0 && into->len == st->size) ||
	       err_set(err, ERR_CONFIG, "\"%.*s\" in the archive is damaged",
		       STR_ARGS(str_first(str_of(st->name), ARCHIVE_NAME_MAX)));
}

static bool read_member(struct archive *a, zip_t *zip, uint64_t at, size_t *left, struct err *err)
{
	const zip_uint64_t needed = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE |
				    ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
	zip_stat_t st;

	zip_stat_init(&st);
	if (zip_stat_index(zip, at, 0, &st) != 0 || (st.valid & needed) != needed) {
		return err_set(err, ERR_CONFIG, "entry %llu of the archive cannot be read",
			       (unsigned long long)at + 1);
	}
	struct str name = str_of(st.name);
	if (str_ends(name, STR("/")) && st.size == 0 && is_name(str_first(name, name.len - 1))) {
		return true; /* a folder, as packing programs add them */
	}
	struct member *m = &a->members[a->n];
	if (!is_name(name) || !str_copy(name, m->name, sizeof m->name)) {
		return err_set(err, ERR_CONFIG,
			       "entry %llu of the archive has a name that is not accepted",
			       (unsigned long long)at + 1);
	}
	if (is_taken(a, name)) {
		return err_set(err, ERR_CONFIG, "\"%s\" is in the archive twice", m->name);
	}
	a->n++;
	if (!is_acceptable(&st, *left, err) || !read_content(zip, at, &st, &m->content, err)) {
		return false;
	}
	*left -= m->content.len;
	return true;
}

static bool read_members(struct archive *a, zip_t *zip, struct err *err)
{
	zip_int64_t n = zip_get_num_entries(zip, 0);
	size_t left = ARCHIVE_TOTAL_MAX;

	if (n > ARCHIVE_ENTRIES_MAX) {
		return err_set(err, ERR_LIMIT, "the archive has %lld entries; at most %d are read",
			       (long long)n, ARCHIVE_ENTRIES_MAX);
	}
	for (zip_int64_t i = 0; i < n; i++) {
		if (!read_member(a, zip, (zip_uint64_t)i, &left, err)) {
			return false;
		}
	}
	return a->n > 0 || err_set(err, ERR_CONFIG, "there is nothing in the archive");
}

bool archive_open(struct str bytes, struct archive **out, struct err *err)
{
	zip_error_t why;

	if (bytes.len > ARCHIVE_MAX) {
		return err_set(err, ERR_LIMIT, "the archive has %zu bytes; at most %d are read",
			       bytes.len, ARCHIVE_MAX);
	}
	if (bytes.len == 0) { /* which libzip takes for an archive that is to be written */
		return err_set(err, ERR_CONFIG, "this is no whole ZIP archive: it is empty");
	}
	zip_error_init(&why);
	AUTO(zip_source_free)
	zip_source_t *source = zip_source_buffer_create(bytes.at, bytes.len, 0, &why);
	AUTO(zip_discard)
	zip_t *zip = source ? zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &why) : NULL;
	if (zip == NULL) {
		return broken(err, &why);
	}
	source = NULL; /* the archive's now */
	zip_error_fini(&why);
	AUTO(archive_free) struct archive *a = NEW(struct archive);
	if (!read_members(a, zip, err)) {
		return false;
	}
	*out = TAKE(a);
	return true;
}

void archive_free(struct archive *a)
{
	for (size_t i = 0; a != NULL && i < a->n; i++) {
		buf_fini(&a->members[i].content);
	}
	free(a);
}

size_t archive_count(const struct archive *a)
{
	return a->n;
}

struct str archive_name(const struct archive *a, size_t i)
{
	return str_of(a->members[i].name);
}

struct str archive_content(const struct archive *a, size_t i)
{
	return buf_str(&a->members[i].content);
}

bool archive_find(const struct archive *a, const char *name, struct str *content)
{
	for (size_t i = 0; i < a->n; i++) {
		if (strcmp(a->members[i].name, name) == 0) {
			*content = archive_content(a, i);
			return true;
		}
	}
	return false;
}

/* ---- writing ---- */

static bool add_entry(zip_t *zip, const struct archive_entry *e, int64_t unix_time, struct err *err)
{
	zip_source_t *content = zip_source_buffer(zip, e->content.at, e->content.len, 0);
	zip_int64_t at = content ? zip_file_add(zip, e->name, content, ZIP_FL_ENC_UTF_8) : -1;

	if (at < 0) {
		zip_source_free(content);
		return err_set(err, ERR_SYSTEM, "cannot add \"%s\" to an archive: %s", e->name,
			       zip_strerror(zip));
	}
	return zip_file_set_mtime(zip, (zip_uint64_t)at, unix_time, 0) == 0 ||
	       err_set(err, ERR_SYSTEM, "cannot date \"%s\": %s", e->name, zip_strerror(zip));
}

static bool can_be_read(const struct archive_entry *entries, size_t n, struct err *err)
{
	size_t total = 0;

	for (size_t i = 0; i < n; i++) {
		total += entries[i].content.len;
		if (entries[i].content.len > ARCHIVE_ENTRY_MAX || total > ARCHIVE_TOTAL_MAX) {
			return err_set(err, ERR_LIMIT, "\"%s\" is too large for an archive",
				       entries[i].name);
		}
	}
	return (n > 0 && n <= ARCHIVE_ENTRIES_MAX) ||
	       err_set(err, ERR_LIMIT, "too many entries for an archive, or none");
}

static bool take_bytes(zip_source_t *source, struct buf *out, struct err *err)
{
	zip_int64_t n = zip_source_open(source) == 0 ? 1 : -1;
	size_t start = out->len;

	while (n > 0) {
		char *room = buf_reserve(out, READ_STEP);
		n = room ? zip_source_read(source, room, READ_STEP) : -1;
		if (n > 0) {
			buf_commit(out, (size_t)n);
		}
	}
	zip_source_close(source);
	if (n < 0 || out->len - start > ARCHIVE_MAX) {
		return err_set(err, ERR_LIMIT, "the archive would be too large");
	}
	return true;
}

bool archive_write(const struct archive_entry *entries, size_t n, int64_t unix_time,
		   struct buf *out, struct err *err)
{
	zip_error_t why;

	if (!can_be_read(entries, n, err)) {
		return false;
	}
	zip_error_init(&why);
	AUTO(zip_source_free)
	zip_source_t *source = zip_source_buffer_create(NULL, 0, 0, &why);
	AUTO(zip_discard)
	zip_t *zip = source ? zip_open_from_source(source, ZIP_TRUNCATE, &why) : NULL;
	if (zip == NULL) {
		return broken(err, &why);
	}
	zip_error_fini(&why);
	zip_source_keep(source); /* one reference is the archive's, which it drops when closed */
	for (size_t i = 0; i < n; i++) {
		if (!add_entry(zip, &entries[i], unix_time, err)) {
			return false;
		}
	}
	if (zip_close(zip) != 0) {
		return err_set(err, ERR_SYSTEM, "cannot write an archive: %s", zip_strerror(zip));
	}
	zip = NULL;
	return take_bytes(source, out, err);
}

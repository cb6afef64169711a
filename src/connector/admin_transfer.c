/* Export and import of what is configured for a subaccount: one ZIP (transfer.h). */
#include "base/archive.h"
#include "base/clock.h"
#include "connector/admin_priv.h"
#include "connector/transfer.h"
#include "http/multipart.h"

#define ONE "/api/drawbridge/v1/subaccounts/{rh}/{sa}"
#define ZIP "application/zip"

/* ---- export ---- */

static void download(struct http_call *call)
{
	AUTO_PLACE struct admin_place p = {0};
	AUTO_BUF struct buf zip = BUF(ARCHIVE_MAX + KIB(64));
	struct admin *a = admin_of(call);
	struct err err = {0};

	if (!admin_place(call, &p)) {
		return;
	}
	const char *program =
		arena_printf(call->arena, "drawbridge-connector %s", a->settings.version);
	if (!transfer_write(a->settings.store, p.owner, program, clock_unix_ms(), &zip, &err)) {
		admin_error_err(call, &err);
		return;
	}
	/* The file's name, not its content, says whose it was. */
	const char *name =
		arena_printf(call->arena, "attachment; filename=\"%.8s-configuration.zip\"",
			     p.row->state.subaccount);
	http_answer_field(call, "Content-Disposition", str_of(name));
	http_answer_text(call, 200, ZIP, buf_str(&zip));
}

/* ---- import ---- */

struct import {
	struct http_call *call;
	struct admin_place place;
	struct arena *arena;
	struct transfer_file *file;
	struct transfer_options options;
	struct transfer_plan plan;
	struct state_actor actor;
	bool preview;
};

/* A query parameter that is true or false; absent: `usual`. */
static bool read_flag(struct http_call *call, const char *name, bool usual, bool *out)
{
	struct str value = http_query(call, name);

	*out = value.at == NULL ? usual : str_eq(value, STR("true"));
	if (value.at == NULL || *out || str_eq(value, STR("false"))) {
		return true;
	}
	admin_error(call, 400, "%s is neither true nor false", name);
	return false;
}

static bool read_options(struct import *im)
{
	struct str mode = http_query(im->call, "mode");
	bool resources, settings;

	if (mode.at != NULL && !transfer_mode_of(mode, &im->options.mode)) {
		admin_error(im->call, 400, "mode must be add, overwrite or replace");
		return false;
	}
	if (!read_flag(im->call, "preview", false, &im->preview) ||
	    !read_flag(im->call, "resources", true, &resources) ||
	    !read_flag(im->call, "settings", true, &settings)) {
		return false;
	}
	im->options.without_resources = !resources;
	im->options.without_settings = !settings;
	return true;
}

/* The bare ZIP, or the part "file" of a form. False: answered. */
static bool find_zip(struct http_call *call, struct str *zip)
{
	struct str type = http_value(call->head, STR("Content-Type"));
	struct err err = {0};
	bool found;

	if (!multipart_is(type)) {
		*zip = call->body;
		if (str_starts_nocase(type, STR(ZIP)) ||
		    str_starts_nocase(type, STR("application/x-zip")) ||
		    str_starts_nocase(type, STR("application/octet-stream"))) {
			return true;
		}
		admin_error(call, 415, "send the file as " ZIP ", or as part \"file\" of a form");
		return false;
	}
	if (!multipart_find(type, call->body, "file", zip, &found, &err)) {
		admin_error(call, 400, "%s", err.text);
		return false;
	}
	if (!found) {
		admin_error(call, 400, "the form has no part \"file\"");
	}
	return found;
}

/* In subaccounts_around(). */
static bool apply(void *user, struct err *err)
{
	struct import *im = user;

	return transfer_apply(admin_of(im->call)->settings.store, &im->actor, im->place.owner,
			      im->file, &im->options, im->arena, &im->plan, err);
}

static bool run(struct import *im, struct err *err)
{
	struct admin *a = admin_of(im->call);

	if (im->preview) {
		return transfer_preview(a->settings.store, im->place.owner, im->file, &im->options,
					im->arena, &im->plan, err);
	}
	return subaccounts_around(a->settings.subaccounts, apply, im, err);
}

static void answer(struct import *im)
{
	struct jsonw w = jsonw_to(&im->call->out);

	jsonw_object(&w);
	jsonw_key_text(&w, "mode", transfer_mode_name(im->options.mode));
	jsonw_key_bool(&w, "applied", !im->preview);
	jsonw_key(&w, "counts");
	jsonw_object(&w);
	transfer_write_counts(&w, &im->plan);
	jsonw_object_end(&w);
	jsonw_key(&w, "changes");
	jsonw_array(&w);
	for (size_t i = 0; i < im->plan.n; i++) {
		const struct transfer_step *s = &im->plan.steps[i];
		jsonw_object(&w);
		jsonw_key_text(&w, "action", transfer_action_name(s->action));
		jsonw_key_text(&w, "kind", transfer_kind_name(s->kind));
		jsonw_key_str(&w, "name", s->name);
		if (s->within.at != NULL) {
			jsonw_key_str(&w, "systemMapping", s->within);
		}
		jsonw_object_end(&w);
	}
	jsonw_array_end(&w);
	jsonw_object_end(&w);
	http_answer_json(im->call, 200);
}

/* What is too large is 413: waiting, which 429 asks for, would not help. */
static void refuse(struct http_call *call, const struct err *err)
{
	admin_error(call, err->kind == ERR_LIMIT ? 413 : http_status_of(err->kind),
		    "%s; nothing was changed", err->text);
}

static void import_file(struct import *im)
{
	struct str zip;
	struct err err = {0};

	if (!admin_place(im->call, &im->place) || !read_options(im) || !find_zip(im->call, &zip)) {
		return;
	}
	im->actor = admin_actor(im->call);
	if (!transfer_read(zip, im->arena, &im->file, &err) || !run(im, &err)) {
		refuse(im->call, &err);
	} else if (im->preview || admin_publish(im->call)) {
		answer(im);
	}
}

static void upload(struct http_call *call)
{
	struct import im = {.call = call, .arena = arena_new(KIB(64), TRANSFER_MEMORY_MAX)};

	import_file(&im);
	transfer_free(im.file);
	arena_free(im.arena);
	admin_place_fini(&im.place);
}

const struct http_route admin_transfer_routes[] = {
	{"GET", ONE "/configuration", download, ADMIN_LOGIN, "Exports mappings and settings", NULL,
	 ZIP, 0},
	{"POST", ONE "/configuration", upload, ADMIN_LOGIN,
	 "Imports them; mode=add|overwrite|replace, preview=true", ZIP, "application/json",
	 ARCHIVE_MAX + 64 * 1024},
	{0},
};

#include "cloud/relay/inbound.h"

#include "cloud/directory/runtime.h"
#include "cloud/directory/snapshot.h"
#include "crypto/seal.h"

struct inbound {
	struct snapshot_cell *directory, *runtime;
	char host[DIRECTORY_HOST_MAX];
};

/* What one handshake holds; the tenant lies in the snapshot. */
struct held {
	struct snapshot *runtime;
	const struct runtime_tenant *tenant;
};

struct inbound *inbound_new(struct snapshot_cell *directory, struct snapshot_cell *runtime,
			    const char *host)
{
	struct inbound *in = NEW(struct inbound);

	in->directory = directory;
	in->runtime = runtime;
	(void)snprintf(in->host, sizeof(in->host), "%s", host);
	return in;
}

void inbound_free(struct inbound *in)
{
	free(in);
}

/* "ACME.relay.example." → "acme"; false: the name says nothing of a tenant. */
static bool label_of(const struct inbound *in, struct str name,
		     char into[static DIRECTORY_LABEL_MAX])
{
	size_t host = strlen(in->host);

	name = str_ends(name, STR(".")) ? str_first(name, name.len - 1) : name;
	if (host == 0 || name.len <= host + 1 || name.at[name.len - host - 1] != '.' ||
	    !str_eq_nocase(str_skip(name, name.len - host), str_of(in->host))) {
		return false;
	}
	struct str label = str_first(name, name.len - host - 1);
	if (!str_copy(label, into, DIRECTORY_LABEL_MAX)) {
		into[0] = '\0'; /* longer than a label: nobody's */
	}
	for (char *at = into; *at != '\0'; at++) {
		*at = (char)(*at >= 'A' && *at <= 'Z' ? *at - 'A' + 'a' : *at);
	}
	return true;
}

/* ---- what the handshake asks ---- */

static void find(void *user, const uint8_t subject_sha256[static 32], tls_der_fn *fn, void *to)
{
	const struct held *h = user;

	runtime_each_anchor(h->tenant, subject_sha256, fn, to);
}

static void release(void *user)
{
	struct held *h = user;

	snapshot_unref(h->runtime);
	free(h);
}

static void trust_anchors(struct held *h, struct tls_trust *out)
{
	out->asks = out->asks || h->tenant->n_anchors > 0;
	out->anchors = h->tenant->prepared;
	out->find = find;
	out->release = release;
	out->user = h;
}

static void set_context(struct tls_trust *out, int64_t generation)
{
	char text[160];
	int len = snprintf(text, sizeof(text), "%s/%lld/%s", out->owner, (long long)generation,
			   out->requires ? "required" : "may be");

	digest_sha256(str_make(text, (size_t)len), out->context);
}

static void trust_of(struct inbound *in, const struct directory_subaccount *sa,
		     struct tls_trust *out)
{
	struct snapshot *runtime = snapshot_ref(in->runtime);
	const struct runtime_tenant *t =
		runtime != NULL ? runtime_find((const void *)runtime, str_of(sa->id)) : NULL;

	(void)snprintf(out->owner, sizeof(out->owner), "%s", sa->id);
	out->
		requires
	= t != NULL && t->requires_certificate;
	out->asks = out->
			    requires;
	set_context(out, t != NULL ? t->generation : 0);
	if (t == NULL) {
		snapshot_unref(runtime);
		return;
	}
	struct held *h = NEW(struct held);
	*h = (struct held){.runtime = runtime, .tenant = t};
	trust_anchors(h, out);
}

bool inbound_hello(struct str name, void *user, struct tls_trust *out)
{
	struct inbound *in = user;
	char label[DIRECTORY_LABEL_MAX];

	if (!label_of(in, name, label)) {
		return true;
	}
	struct snapshot *snap = snapshot_ref(in->directory);
	const struct directory_subaccount *sa =
		snap != NULL ? directory_snapshot_resolve((const void *)snap, str_of(label)) : NULL;
	if (sa != NULL) {
		trust_of(in, sa, out);
	}
	snapshot_unref(snap);
	return sa != NULL;
}

#include "keys/protocol.h"

static const struct {
	enum keys_class class_;
	enum keys_purpose purpose;
} allowed[] = {
	/* KEYS_CLASS_CA has no row: it signs no message that the server chose. */
	{KEYS_CLASS_LISTENER, KEYS_FOR_TLS_SERVER},  {KEYS_CLASS_LISTENER, KEYS_FOR_CSR},
	{KEYS_CLASS_CONNECTOR, KEYS_FOR_TLS_CLIENT}, {KEYS_CLASS_CONNECTOR, KEYS_FOR_CSR},
	{KEYS_CLASS_TOKEN, KEYS_FOR_TOKEN},          {KEYS_CLASS_SYSTEM, KEYS_FOR_TLS_CLIENT},
	{KEYS_CLASS_SYSTEM, KEYS_FOR_CSR},           {KEYS_CLASS_TENANT, KEYS_FOR_TLS_SERVER},
	{KEYS_CLASS_TENANT, KEYS_FOR_TLS_CLIENT},    {KEYS_CLASS_TENANT, KEYS_FOR_CSR},
};

static const struct {
	enum keys_class class_;
	enum issue_profile profile;
} may_issue[] = {
	{KEYS_CLASS_CA, ISSUE_ROOT},         {KEYS_CLASS_CA, ISSUE_INTERMEDIATE},
	{KEYS_CLASS_CA, ISSUE_CONNECTOR},    {KEYS_CLASS_CA, ISSUE_SERVER},
	{KEYS_CLASS_LISTENER, ISSUE_SERVER},
};

/* Passwords and tokens that the server itself must send somewhere. */
static const struct str unsealable[] = {
	STR("password"), /* of proxies, mail and directories */
	STR("token"),    /* that others issued to us */
	STR("secret"),   /* group keys, HMAC and session keys */
};

static const char *const class_names[KEYS_CLASSES] = {"?",     "ca",     "listener", "connector",
						      "token", "system", "tenant"};
static const char *const operation_names[KEYS_OPERATIONS] = {
	"?",
	"ping",
	"generate",
	"load",
	"sign",
	"issue",
	"seal",
	"unseal",
	"wipe",
	"make a data key",
	"rewrap a data key",
	"reseal a key",
	"reseal a secret",
	"load an entry",
	"tag a certificate",
	"bind an entry again",
	"check entries",
	"make a MAC",
	"take an upload",
	"take a part of an upload",
	"open an upload",
	"generate a tenant's key",
	"show what was uploaded",
	"sign a certificate of its own",
	"seal what was uploaded",
	"seal an uploaded key",
	"end an upload",
	"anchor the audit",
};

bool keys_allows(enum keys_class class_, enum keys_purpose purpose)
{
	for (size_t i = 0; i < COUNT(allowed); i++) {
		if (allowed[i].class_ == class_ && allowed[i].purpose == purpose) {
			return true;
		}
	}
	return false;
}

bool keys_may_issue(enum keys_class class_, enum issue_profile profile)
{
	for (size_t i = 0; i < COUNT(may_issue); i++) {
		if (may_issue[i].class_ == class_ && may_issue[i].profile == profile) {
			return true;
		}
	}
	return false;
}

bool keys_may_unseal(struct str label)
{
	struct str kind = str_first(label, str_find(label, ':'));

	for (size_t i = 0; i < COUNT(unsealable); i++) {
		if (str_eq(kind, unsealable[i])) {
			return true;
		}
	}
	return false;
}

enum err_kind keys_reaction_kind(uint8_t reaction)
{
	switch ((enum keys_reaction)reaction) {
	case KEYS_REACT_CONFIG:
		return ERR_CONFIG;
	case KEYS_REACT_LIMIT:
		return ERR_LIMIT;
	case KEYS_REACT_SYSTEM:
		return ERR_SYSTEM;
	case KEYS_REACT_CONFLICT:
		return ERR_CONFLICT;
	case KEYS_REACT_DENIED:
	default:
		return ERR_DENIED;
	}
}

const char *keys_class_name(enum keys_class class_)
{
	return (unsigned)class_ < COUNT(class_names) ? class_names[class_] : "?";
}

const char *keys_operation_name(enum keys_operation operation)
{
	return (unsigned)operation < COUNT(operation_names) ? operation_names[operation] : "?";
}

void keys_write_facts(struct buf *out, const struct issue_facts *facts)
{
	wr_u8(out, (uint8_t)facts->profile);
	wr_blob(out, str_of(facts->subject));
	wr_blob(out, str_of(facts->uri));
	wr_u8(out, (uint8_t)facts->n_sans);
	for (size_t i = 0; i < facts->n_sans; i++) {
		wr_blob(out, str_of(facts->sans[i]));
	}
	wr_u64(out, (uint64_t)facts->not_before);
	wr_u64(out, (uint64_t)facts->not_after);
	buf_add(out, facts->serial, sizeof(facts->serial));
}

bool keys_read_text(struct rd *in, char *into, size_t size)
{
	struct str text = rd_blob(in, size - 1);

	return !in->failed && str_find(text, '\0') == text.len && str_copy(text, into, size);
}

bool keys_read_facts(struct rd *in, struct keys_issue *out)
{
	struct issue_facts *facts = &out->facts;
	uint8_t profile = rd_u8(in);

	if (profile > ISSUE_SERVER || !keys_read_text(in, out->subject, sizeof(out->subject)) ||
	    !keys_read_text(in, out->uri, sizeof(out->uri))) {
		return false;
	}
	facts->profile = (enum issue_profile)profile;
	facts->subject = out->subject;
	facts->uri = out->uri[0] != '\0' ? out->uri : NULL;
	facts->n_sans = rd_u8(in);
	if (facts->n_sans > ISSUE_SANS_MAX) {
		return false;
	}
	for (size_t i = 0; i < facts->n_sans; i++) {
		if (!keys_read_text(in, out->sans[i], sizeof(out->sans[i]))) {
			return false;
		}
		facts->sans[i] = out->sans[i];
	}
	facts->not_before = (int64_t)rd_u64(in);
	facts->not_after = (int64_t)rd_u64(in);
	struct str serial = rd_bytes(in, sizeof(facts->serial));
	if (in->failed) {
		return false;
	}
	memcpy(facts->serial, serial.at, sizeof(facts->serial));
	return true;
}

void keys_write_name(struct buf *out, const struct issue_name *name)
{
	const char *const parts[KEYS_NAME_PARTS] = {name->common_name,  name->organizational_unit,
						    name->organization, name->locality,
						    name->state,        name->country,
						    name->email};

	for (size_t i = 0; i < COUNT(parts); i++) {
		wr_blob(out, str_of(parts[i]));
	}
}

bool keys_read_name(struct rd *in, struct keys_name *out)
{
	for (size_t i = 0; i < KEYS_NAME_PARTS; i++) {
		if (!keys_read_text(in, out->parts[i], sizeof(out->parts[i]))) {
			return false;
		}
	}
	out->name = (struct issue_name){
		.common_name = out->parts[0],
		.organizational_unit = out->parts[1],
		.organization = out->parts[2],
		.locality = out->parts[3],
		.state = out->parts[4],
		.country = out->parts[5],
		.email = out->parts[6],
	};
	return true;
}

#pragma once
/*
 * The certificate of the connector's administration: self-signed at the first start through the
 * key process (class LISTENER), kept in the file "ui-identity" of the state folder, made anew when
 * its names changed or its end is near.
 */
#include "crypto/tls.h"
#include "keys/reseal.h"

enum {
	UI_IDENTITY_DAYS = 800,
	UI_IDENTITY_RENEW_DAYS = 266, /* before its end: at two thirds, long before any alert */
};

/* `names`: comma list of names and addresses. Gives a server's configuration, and appends the
 * certificate as PEM. Blocks. */
NODISCARD bool ui_identity_open(struct keys_client *keys, const char *state_dir, const char *names,
				int64_t now, struct tls_config **out, struct buf *chain_pem,
				struct err *err);
/* Its key, sealed again under the first master key (keys/reseal.h). */
NODISCARD bool ui_identity_reseal(struct keys_client *keys, const char *state_dir, bool change,
				  struct reseal_count *count, struct err *err);

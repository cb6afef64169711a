#pragma once
/*
 * A key and its chain out of a container (PKCS#12, or another that the key process reads): opened
 * in the key process's sandboxed child, so that its private key never comes here.
 */
#include "connector/ui_store.h"
#include "keys/client.h"

/*
 * The one key pair of the container, sealed for class LISTENER, with its chain. ERR_CONFIG: wrong
 * password, not readable, no key with a certificate, or more than one; the text says which.
 */
NODISCARD bool ui_container_open(struct keys_client *client, struct str bytes, struct str password,
				 struct ui_row *out, struct err *err);

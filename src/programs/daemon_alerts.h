#pragma once
/* The alerts of a daemon: their settings read, their files opened, sources that both programs have.
 */
#include "alert/alerts.h"
#include "programs/alert_options.h"
#include "programs/daemon.h"

/* "{program} on {host}" as origin. */
struct alerts *daemon_alerts_new(struct store *store, const char *program);
/* What needs no file to be judged; ERR_CONFIG. */
NODISCARD bool daemon_alerts_check(const struct alert_options *o, struct err *err);
/* At the start and at SIGHUP: reads the files named; ERR_CONFIG leaves all as it was. */
NODISCARD bool daemon_alerts_configure(struct alerts *a, const struct alert_options *o,
				       struct err *err);
/* Puts the files into `place`, so that they can be read behind the sandbox. */
void daemon_alerts_files(const struct alert_options *o, struct daemon_place *place);
/* Hands a certificate on; its dates, names and serial come from `facts`. */
void daemon_alerts_give(const struct alert_certificate *base, const struct cert_facts *facts,
			alert_each_fn *fn, void *user);
/* Each certificate of a PEM text, "{prefix}{fingerprint}" as its name. */
NODISCARD bool daemon_alerts_give_pem(const struct alert_certificate *base, const char *prefix,
				      struct str pem, alert_each_fn *fn, void *user,
				      struct err *err);

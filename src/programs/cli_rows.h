#pragma once
/* Rows and paths that commands of more than one file have. */
#include "programs/cli.h"

/* clang-format off */
#define CLOUD          "/api/drawbridge/v1"
#define OF_CLOUD       CLOUD "/subaccounts/{SUBACCOUNT}"
#define ROW_TENANT                                                                                 \
	{                                                                                          \
		"SUBACCOUNT", NULL, CLI_TEXT, true, "Subaccount's ID"                              \
	}
#define ROW_LIMIT   {"limit", NULL, CLI_NUMBER, false, "How many", "1000"}
#define CERTIFICATE_COLUMNS "source,label,state,remaining,notAfter,serialNumber"
#define ALERT_COLUMNS       "severity,state,since,message"
#define ROWS_OF_CERTIFICATES                                                                       \
	{"expiring-within", NULL, CLI_TEXT, false, "Only those that end within a time like 30d"},  \
	{"fail-on-expiry", NULL, CLI_BOOL, false,                                                  \
	 "Exit with 1 when one of them is listed; without a time, when one is not valid for long"}
/* clang-format on */

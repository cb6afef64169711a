/* The commands of the connector. */
#include "programs/cli_rows.h"

/* clang-format off */
#define SUBACCOUNTS    "/api/v1/configuration/subaccounts"
#define MAPPINGS       SUBACCOUNTS "/{SUBACCOUNT}/systemMappings"
#define RESOURCES      MAPPINGS "/{VIRTUAL}/resources"
#define DOMAINS        SUBACCOUNTS "/{SUBACCOUNT}/domainMappings"
#define PROXY          "/api/v1/configuration/connector/proxy"
#define TRUST          "/api/v1/configuration/connector/onPremises/truststore"
#define UI_CERTIFICATE "/api/v1/configuration/connector/ui/uiCertificate"
#define CONFIGURATION  OF_CLOUD "/configuration"
#define ROW_SUBACCOUNT                                                                             \
	{                                                                                          \
		"SUBACCOUNT", NULL, CLI_SUBACCOUNT, true,                                          \
			"Subaccount's ID; ID@REGION-HOST where two regions have it"                \
	}
#define ROW_VIRTUAL                                                                                \
	{                                                                                          \
		"VIRTUAL", NULL, CLI_TEXT, true, "Virtual host:port of the mapping"                \
	}
#define ROW_FINGERPRINT                                                                            \
	{"root-fingerprint", "rootFingerprint", CLI_TEXT, false,                                   \
	 "SHA-256 of the cloud side's root, as a refusal showed it, when you have compared it"}
#define ROWS_OF_REFRESH                                                                            \
	ROW_SUBACCOUNT, {"cloud-user", "user", CLI_TEXT, false, "An owner of the subaccount"},     \
	{"cloud-password", "password", CLI_SECRET, false, "The owner's password"},                 \
	{"authentication-data", "authenticationData", CLI_SECRET, false,                           \
	 "Authentication data from the cloud side, instead of the two above"},                     \
	ROW_FINGERPRINT
#define ROWS_OF_SUBACCOUNT                                                                         \
	{"location-id", "locationID", CLI_TEXT, false, "Tells connectors of a subaccount apart"},  \
	{"display-name", "displayName", CLI_TEXT, false, "Name for people"},                       \
	{"description", "description", CLI_TEXT, false, "Text for people"},                        \
	{"auto-cert-renewal", "autoCertRenewal", CLI_BOOL, false, "Renew its certificate by itself"}
#define ROWS_OF_MAPPING                                                                            \
	{"INTERNAL", "local", CLI_HOST_PORT, true, "host:port in the private network"},            \
	{"protocol", "protocol", CLI_TEXT, false, "HTTP or HTTPS, spoken to the internal host", "HTTP"}, \
	{"backend-type", "backendType", CLI_TEXT, false, "abapSys, hana and so on", "nonSAPsys"},  \
	{"authentication-mode", "authenticationMode", CLI_TEXT, false,                             \
	 "NONE, NONE_RESTRICTED, X509_GENERAL, X509_RESTRICTED or KERBEROS", "NONE"},              \
	{"host-in-header", "hostInHeader", CLI_TEXT, false, "VIRTUAL or INTERNAL"},                \
	{"description", "description", CLI_TEXT, false, "Text for people"}
#define ROWS_OF_WISH                                                                               \
	{"SUBJECT", NULL, CLI_TEXT, true, "CN=...,O=..."},                                         \
	{"names", NULL, CLI_TEXT, false, "Names and addresses of the machine, with commas"},       \
	{"key-size", NULL, CLI_TEXT, false, "2048 or 4096 bits of RSA", "4096"}
#define ROWS_OF_RESOURCE                                                                           \
	{"enabled", "enabled", CLI_BOOL, false, "On, or prepared only", "on"},                     \
	{"exact-match-only", "exactMatchOnly", CLI_BOOL, false, "Not its sub-paths", "off"},       \
	{"websocket-upgrade-allowed", "websocketUpgradeAllowed", CLI_BOOL, false, "Allow WebSocket"}, \
	{"description", "description", CLI_TEXT, false, "Text for people"}

const struct cli_command cli_connector_commands[] = {
	{.words = "connector setup", .server = CLI_CONNECTOR, .run = cli_connector_setup,
	 .summary = "First start: replace the setup code by a password, and take the master role",
	 .rows = {{"new-password", NULL, CLI_SECRET, true, "The new password"}}},
	{.words = "connector status", .server = CLI_CONNECTOR, .run = cli_connector_status,
	 .summary = "Version, role, and the subaccounts with their tunnels",
	 .columns = "regionHost,subaccount,locationID,displayName,tunnel.state,"
		    "tunnel.subaccountCertificate.notAfterTimeStamp"},
	{.words = "connector version", .server = CLI_CONNECTOR, .method = "GET",
	 .path = "/api/v1/connector/version", .summary = "The connector's version"},
	{.words = "ui-certificate show", .server = CLI_CONNECTOR, .method = "GET", .path = UI_CERTIFICATE,
	 .summary = "The certificate of the connector's administration"},
	{.words = "ui-certificate self-sign", .server = CLI_CONNECTOR, .run = cli_ui_self_sign,
	 .path = UI_CERTIFICATE, .summary = "Another self-signed one, for a year",
	 .rows = {ROWS_OF_WISH}},
	{.words = "ui-certificate request", .server = CLI_CONNECTOR, .run = cli_ui_request,
	 .path = UI_CERTIFICATE, .summary = "A signing request for a CA; an earlier one is void",
	 .rows = {ROWS_OF_WISH, {"to", NULL, CLI_TEXT, false, "File for it; standard output otherwise"}}},
	{.words = "ui-certificate install", .server = CLI_CONNECTOR, .run = cli_ui_install,
	 .path = UI_CERTIFICATE, .summary = "The signed chain for the request, in force at once",
	 .rows = {{"FILE", NULL, CLI_TEXT, true, "PEM in any order, or PKCS#7; - for standard input"}}},
	{.words = "ui-certificate upload", .server = CLI_CONNECTOR, .run = cli_ui_upload,
	 .path = UI_CERTIFICATE, .summary = "A key and its chain out of a PKCS#12 file",
	 .rows = {{"FILE", NULL, CLI_TEXT, true, "The file; - for standard input"},
		  {"file-password", NULL, CLI_SECRET, false, "The file's password"}}},
	{.words = "ui-certificate delete", .server = CLI_CONNECTOR, .method = "DELETE",
	 .path = UI_CERTIFICATE, .summary = "Back to the connector's own"},
	{.words = "connector audit denied", .server = CLI_CONNECTOR, .method = "GET",
	 .path = CLOUD "/audit/denied", .summary = "Denied attempts, newest first",
	 .rows = {ROW_LIMIT}, .columns = "at,who,from,what,object,after"},
	{.words = "connector audit", .server = CLI_CONNECTOR, .method = "GET", .path = CLOUD "/audit",
	 .summary = "Changes, newest first", .rows = {ROW_LIMIT}, .columns = "n,at,who,from,what,object"},
	{.words = "connector proxy show", .server = CLI_CONNECTOR, .method = "GET", .path = PROXY,
	 .summary = "The corporate proxy through which tunnels are dialled"},
	{.words = "connector proxy set", .server = CLI_CONNECTOR, .method = "PUT", .path = PROXY,
	 .summary = "Dial tunnels through a corporate proxy, by CONNECT",
	 .rows = {{"PROXY", "", CLI_HOST_PORT, true, "host:port of the proxy"},
		  {"proxy-user", "user", CLI_TEXT, false, "User, where the proxy asks for one"},
		  {"proxy-password", "password", CLI_SECRET, false, "The user's password"}}},
	{.words = "connector proxy delete", .server = CLI_CONNECTOR, .method = "DELETE", .path = PROXY,
	 .summary = "Dial tunnels directly"},

	{.words = "trust list", .server = CLI_CONNECTOR, .method = "GET", .path = TRUST,
	 .summary = "The certificates that are trusted in internal systems", .list = "trustedBackends",
	 .columns = "alias,subjectDN,issuer,notAfterTimeStamp"},
	{.words = "trust add", .server = CLI_CONNECTOR, .run = cli_trust_add,
	 .summary = "Trust the certificates of a file in internal systems",
	 .rows = {{"FILE", NULL, CLI_TEXT, true, "PEM or DER; - for standard input"}}},
	{.words = "trust delete", .server = CLI_CONNECTOR, .method = "DELETE",
	 .path = TRUST "/certificates/{ALIAS}", .summary = "Trust a certificate no more",
	 .rows = {{"ALIAS", NULL, CLI_TEXT, true, "Its alias, from the list"}}},

	{.words = "subaccount list", .server = CLI_CONNECTOR, .method = "GET", .path = SUBACCOUNTS,
	 .summary = "The connector's subaccounts", .columns = "regionHost,subaccount,locationID"},
	{.words = "subaccount show", .server = CLI_CONNECTOR, .method = "GET",
	 .path = SUBACCOUNTS "/{SUBACCOUNT}", .summary = "One subaccount with tunnel and certificate",
	 .rows = {ROW_SUBACCOUNT}},
	{.words = "subaccount add", .server = CLI_CONNECTOR, .method = "POST", .path = SUBACCOUNTS,
	 .summary = "Enrol the connector for a subaccount, by an owner's password or by authentication data",
	 .rows = {{"region-host", "regionHost", CLI_TEXT, false, "Host and port of the cloud side"},
		  {"subaccount", "subaccount", CLI_TEXT, false, "Subaccount's ID"},
		  {"cloud-user", "cloudUser", CLI_TEXT, false, "An owner of the subaccount"},
		  {"cloud-password", "cloudPassword", CLI_SECRET, false, "The owner's password"},
		  {"authentication-data", "authenticationData", CLI_SECRET, false,
		   "Authentication data from the cloud side, instead of the four above"},
		  ROW_FINGERPRINT,
		  ROWS_OF_SUBACCOUNT}},
	{.words = "subaccount change", .server = CLI_CONNECTOR, .method = "PUT",
	 .path = SUBACCOUNTS "/{SUBACCOUNT}",
	 .summary = "Change what is said of a subaccount; what is not named stays, \"\" clears",
	 .rows = {ROW_SUBACCOUNT, ROWS_OF_SUBACCOUNT}},
	{.words = "subaccount tunnels", .server = CLI_CONNECTOR, .method = "GET", .path = CLOUD "/subaccounts",
	 .summary = "The tunnels of all subaccounts, and why one is not up",
	 .columns = "regionHost,subaccount,locationId,state,tunnels,certificate.state,"
		    "certificate.notAfter,renewal.next,reason"},
	{.words = "subaccount retry", .server = CLI_CONNECTOR, .method = "POST",
	 .path = CLOUD "/subaccounts/{SUBACCOUNT}/retry", .summary = "Dial again now, without the pause",
	 .rows = {ROW_SUBACCOUNT}},
	{.words = "subaccount connect", .server = CLI_CONNECTOR, .method = "PUT",
	 .path = SUBACCOUNTS "/{SUBACCOUNT}/state", .body = "\"connected\":true",
	 .summary = "Open the tunnels of a subaccount", .rows = {ROW_SUBACCOUNT}},
	{.words = "subaccount disconnect", .server = CLI_CONNECTOR, .method = "PUT",
	 .path = SUBACCOUNTS "/{SUBACCOUNT}/state", .body = "\"connected\":false",
	 .summary = "Close the tunnels of a subaccount, and keep them closed", .rows = {ROW_SUBACCOUNT}},
	{.words = "subaccount refresh-certificate", .server = CLI_CONNECTOR, .method = "POST",
	 .path = SUBACCOUNTS "/{SUBACCOUNT}/validity",
	 .summary = "A new subaccount certificate, by an owner's password or by authentication data",
	 .rows = {ROWS_OF_REFRESH}},
	{.words = "subaccount renew-certificate", .server = CLI_CONNECTOR, .method = "POST",
	 .path = CLOUD "/subaccounts/{SUBACCOUNT}/renewal",
	 .summary = "A new subaccount certificate now, by the current one and without a password",
	 .rows = {ROW_SUBACCOUNT}},
	{.words = "subaccount renewal", .server = CLI_CONNECTOR, .method = "GET",
	 .path = CLOUD "/subaccounts/{SUBACCOUNT}/renewal",
	 .summary = "Automatic renewal: switched on, last result, next date", .rows = {ROW_SUBACCOUNT}},
	{.words = "subaccount export", .server = CLI_CONNECTOR, .run = cli_subaccount_export,
	 .path = CONFIGURATION,
	 .summary = "Mappings, resources, cookie domains and settings as one ZIP, without identity or secret",
	 .rows = {ROW_SUBACCOUNT, {"to", NULL, CLI_TEXT, false, "File for it; standard output otherwise"}}},
	{.words = "subaccount import", .server = CLI_CONNECTOR, .run = cli_subaccount_import,
	 .path = CONFIGURATION,
	 .summary = "Take over an exported file, whosever it was; all of it or nothing",
	 .rows = {ROW_SUBACCOUNT,
		  {"FILE", NULL, CLI_TEXT, true, "An exported ZIP; - for standard input"},
		  {"mode", NULL, CLI_TEXT, false,
		   "add: what is there stays; overwrite: the same name is replaced; replace: nothing else stays",
		   "add"},
		  {"preview", NULL, CLI_BOOL, false, "Only show what would change"},
		  {"without-resources", NULL, CLI_BOOL, false, "Only the mappings themselves"},
		  {"without-settings", NULL, CLI_BOOL, false, "Leave location ID, description, renewal"}},
	 .columns = "action,kind,name,systemMapping"},
	{.words = "subaccount delete", .server = CLI_CONNECTOR, .method = "DELETE",
	 .path = SUBACCOUNTS "/{SUBACCOUNT}", .summary = "Forget a subaccount with its mappings and key",
	 .rows = {ROW_SUBACCOUNT}},

	{.words = "cert list", .server = CLI_CONNECTOR, .run = cli_cert_list,
	 .summary = "Every certificate that the connector knows, with its remaining life",
	 .rows = {ROWS_OF_CERTIFICATES}, .columns = CERTIFICATE_COLUMNS},
	{.words = "cert refresh", .server = CLI_CONNECTOR, .method = "POST",
	 .path = SUBACCOUNTS "/{SUBACCOUNT}/validity",
	 .summary = "A new subaccount certificate, by an owner's password or by authentication data; "
		    "also after the old one expired",
	 .rows = {ROWS_OF_REFRESH}},
	{.words = "alerts test-mail", .server = CLI_CONNECTOR, .method = "POST",
	 .path = CLOUD "/alerts/test-mail", .summary = "Send a test mail, and see what the server says"},
	{.words = "alerts test-webhook", .server = CLI_CONNECTOR, .method = "POST",
	 .path = CLOUD "/alerts/test-webhook", .summary = "Call the webhook once"},
	{.words = "alerts", .server = CLI_CONNECTOR, .method = "GET", .path = CLOUD "/alerts",
	 .summary = "What is worth an alert, and what was solved lately", .columns = ALERT_COLUMNS},
	{.words = "doctor", .server = CLI_CONNECTOR, .method = "POST",
	 .path = "/api/drawbridge/v1/subaccounts/{SUBACCOUNT}/diagnosis", .run = cli_doctor,
	 .summary = "Try each link to the relay, and name the first broken one with the next step",
	 .rows = {{"SUBACCOUNT", NULL, CLI_SUBACCOUNT, false, "Subaccount's ID; all of them otherwise"}}},
	{.words = "connector master-key status", .server = CLI_CONNECTOR, .method = "GET",
	 .path = CLOUD "/master-key",
	 .summary = "How much is sealed, and how much of it under an older master key"},
	{.words = "connector master-key reseal", .server = CLI_CONNECTOR, .method = "POST",
	 .path = CLOUD "/master-key", .run = cli_master_key_reseal,
	 .summary = "Seal again what is sealed under an older master key, and wait for it"},

	{.words = "mapping list", .server = CLI_CONNECTOR, .method = "GET", .path = MAPPINGS,
	 .summary = "The systems that a subaccount may name", .rows = {ROW_SUBACCOUNT},
	 .columns = "virtualHost,virtualPort,localHost,localPort,protocol,hostInHeader,"
		    "enabledResourcesCount,totalResourcesCount"},
	{.words = "mapping add", .server = CLI_CONNECTOR, .method = "POST", .path = MAPPINGS,
	 .summary = "Map a virtual host to an internal one; no path of it is exposed yet",
	 .rows = {ROW_SUBACCOUNT,
		  {"VIRTUAL", "virtual", CLI_HOST_PORT, true, "host:port that applications name"},
		  ROWS_OF_MAPPING}},
	{.words = "mapping show", .server = CLI_CONNECTOR, .method = "GET", .path = MAPPINGS "/{VIRTUAL}",
	 .summary = "One mapping", .rows = {ROW_SUBACCOUNT, ROW_VIRTUAL}},
	{.words = "mapping replace", .server = CLI_CONNECTOR, .method = "PUT", .path = MAPPINGS "/{VIRTUAL}",
	 .summary = "Map a virtual host to another internal one; all is as given here, its resources stay",
	 .rows = {ROW_SUBACCOUNT, ROW_VIRTUAL, ROWS_OF_MAPPING}},
	{.words = "mapping matching", .server = CLI_CONNECTOR, .method = "PUT",
	 .path = CLOUD "/subaccounts/{SUBACCOUNT}/systemMappings/{VIRTUAL}/matching",
	 .summary = "What \"with its sub-paths\" means for the resources of a mapping",
	 .rows = {ROW_SUBACCOUNT, ROW_VIRTUAL,
		  {"MATCHING", "matching", CLI_TEXT, true,
		   "segment: /a admits /a/b, not /ab; prefix: both, as the original has it"}}},
	{.words = "mapping delete", .server = CLI_CONNECTOR, .method = "DELETE", .path = MAPPINGS "/{VIRTUAL}",
	 .summary = "Remove a mapping with its resources", .rows = {ROW_SUBACCOUNT, ROW_VIRTUAL}},

	{.words = "resource list", .server = CLI_CONNECTOR, .method = "GET", .path = RESOURCES,
	 .summary = "The paths that a mapping exposes", .rows = {ROW_SUBACCOUNT, ROW_VIRTUAL},
	 .columns = "id,enabled,exactMatchOnly,websocketUpgradeAllowed,description"},
	{.words = "resource add", .server = CLI_CONNECTOR, .method = "POST", .path = RESOURCES,
	 .summary = "Expose a path of a mapping, with its sub-paths unless it is exact",
	 .rows = {ROW_SUBACCOUNT, ROW_VIRTUAL,
		  {"PATH", "id", CLI_TEXT, true, "URL path, from its slash on"},
		  ROWS_OF_RESOURCE}},
	{.words = "resource replace", .server = CLI_CONNECTOR, .method = "PUT", .path = RESOURCES "/{PATH}",
	 .summary = "Change how a path is exposed; all is as given here",
	 .rows = {ROW_SUBACCOUNT, ROW_VIRTUAL, {"PATH", NULL, CLI_RESOURCE, true, "URL path"},
		  ROWS_OF_RESOURCE}},
	{.words = "resource delete", .server = CLI_CONNECTOR, .method = "DELETE", .path = RESOURCES "/{PATH}",
	 .summary = "Expose a path no more",
	 .rows = {ROW_SUBACCOUNT, ROW_VIRTUAL, {"PATH", NULL, CLI_RESOURCE, true, "URL path"}}},

	{.words = "domain list", .server = CLI_CONNECTOR, .method = "GET", .path = DOMAINS,
	 .summary = "The cookie domains that are mapped back", .rows = {ROW_SUBACCOUNT},
	 .columns = "internalDomain,virtualDomain"},
	{.words = "domain add", .server = CLI_CONNECTOR, .method = "POST", .path = DOMAINS,
	 .summary = "Map an internal cookie domain to a virtual one",
	 .rows = {ROW_SUBACCOUNT,
		  {"INTERNAL", "internalDomain", CLI_TEXT, true, "Domain that internal systems set"},
		  {"VIRTUAL", "virtualDomain", CLI_TEXT, true, "Domain that applications see"}}},
	{.words = "domain delete", .server = CLI_CONNECTOR, .method = "DELETE", .path = DOMAINS "/{INTERNAL}",
	 .summary = "Map a cookie domain no more",
	 .rows = {ROW_SUBACCOUNT, {"INTERNAL", NULL, CLI_TEXT, true, "The internal domain"}}},

	{.words = NULL},
};
/* clang-format on */

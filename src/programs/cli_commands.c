#include "programs/cli.h"

#define FIELD(name) OPTION_FIELD(struct cli_settings, name)

const struct option cli_option_table[] = {
	/* clang-format off */
	{"url", FIELD(url), NULL, 0, 0,
	 "Where the program listens; without it https://localhost:8443 for the connector, "
	 "https://localhost:9443 for the cloud side", NULL},
	{"login", FIELD(login), "Administrator", 0, 0, "User to log in as", NULL},
	{"password.file", FIELD(password_file), NULL, 0, 0,
	 "File with the password, - for standard input; without it DRAWBRIDGE_PASSWORD, or the terminal "
	 "asks", NULL},
	{"ca.file", FIELD(ca_file), NULL, 0, 0,
	 "Certificates (PEM) that the server's chain must end in, instead of the system's", NULL},
	{"root.pin", FIELD(root_pin), NULL, 0, 0,
	 "SHA-256 (hex) of the public key of the server's root, instead of certificates", NULL},
	{"output", FIELD(output), "text", 0, 0, "Form of what is printed: text or json", NULL},
	{"timeout", FIELD(timeout), "30s", 100, 0, "Time for one request", NULL},
	{NULL},
	/* clang-format on */
};

#define SUBACCOUNTS    "/api/v1/configuration/subaccounts"
#define MAPPINGS       SUBACCOUNTS "/{SUBACCOUNT}/systemMappings"
#define RESOURCES      MAPPINGS "/{VIRTUAL}/resources"
#define DOMAINS        SUBACCOUNTS "/{SUBACCOUNT}/domainMappings"
#define PROXY          "/api/v1/configuration/connector/proxy"
#define TRUST          "/api/v1/configuration/connector/onPremises/truststore"
#define CLOUD          "/api/drawbridge/v1"
#define OF_CLOUD       CLOUD "/subaccounts/{SUBACCOUNT}"
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
#define ROW_TENANT                                                                                 \
	{                                                                                          \
		"SUBACCOUNT", NULL, CLI_TEXT, true, "Subaccount's ID"                              \
	}

/* clang-format off */
#define ROW_FINGERPRINT                                                                            \
	{"root-fingerprint", "rootFingerprint", CLI_TEXT, false,                                   \
	 "SHA-256 of the cloud side's root, as a refusal showed it, when you have compared it"}
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

#define ROW_ALIAS {"ALIAS", NULL, CLI_TEXT, true, "The entry's alias, in any case"}
#define ROW_TO    {"to", NULL, CLI_TEXT, false, "File to write; standard output otherwise"}
#define ROW_CONFIRM                                                                                \
	{"fingerprint", NULL, CLI_TEXT, false,                                                     \
	 "SHA-256 of a certificate that nothing trusted stands behind, when you have compared it"}
#define ROWS_OF_KEY                                                                                \
	{"signature", NULL, CLI_TEXT, false, "Signature algorithm, such as SHA-256/RSA"},           \
	{"common-name", NULL, CLI_TEXT, false, "CN of the certificate"},                            \
	{"organization-unit", NULL, CLI_TEXT, false, "OU"},                                         \
	{"organization", NULL, CLI_TEXT, false, "O"},                                               \
	{"locality", NULL, CLI_TEXT, false, "L"},                                                   \
	{"state", NULL, CLI_TEXT, false, "ST"},                                                     \
	{"country", NULL, CLI_TEXT, false, "C: two letters"},                                       \
	{"email", NULL, CLI_TEXT, false, "E-mail address"},                                         \
	{"valid-for", NULL, CLI_TEXT, false, "Validity from now on, such as 730d"}
#define ROW_LIMIT   {"limit", NULL, CLI_NUMBER, false, "How many", "1000"}
#define OF_KEYSTORE OF_CLOUD "/keystore"
#define CHANGES     "status,alias,kind,owner,notAfter,subject,reason"
#define ROWS_OF_RESTORE                                                                            \
	{"backup", "backup", CLI_NUMBER, false, "Number of one of the history; the newest otherwise"}, \
	{"mode", "mode", CLI_TEXT, false,                                                          \
	 "replace (entries made since go) or overwrite (they stay)", "replace"}
#define KEYSTORE_COLUMNS "Alias,Type,Owner,KeyType,KeySize,ValidNotAfter,SubjectDN"

#define CERTIFICATE_COLUMNS "source,label,state,remaining,notAfter,serialNumber"
#define ALERT_COLUMNS       "severity,state,since,message"
#define ROWS_OF_CERTIFICATES                                                                       \
	{"expiring-within", NULL, CLI_TEXT, false, "Only those that end within a time like 30d"},  \
	{"fail-on-expiry", NULL, CLI_BOOL, false,                                                  \
	 "Exit with 1 when one of them is listed; without a time, when one is not valid for long"}

const struct cli_command cli_commands[] = {
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
	 .rows = {ROW_SUBACCOUNT,
		  {"cloud-user", "user", CLI_TEXT, false, "An owner of the subaccount"},
		  {"cloud-password", "password", CLI_SECRET, false, "The owner's password"},
		  {"authentication-data", "authenticationData", CLI_SECRET, false,
		   "Authentication data from the cloud side, instead of the two above"},
		  ROW_FINGERPRINT}},
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
	 .rows = {ROW_SUBACCOUNT,
		  {"cloud-user", "user", CLI_TEXT, false, "An owner of the subaccount"},
		  {"cloud-password", "password", CLI_SECRET, false, "The owner's password"},
		  {"authentication-data", "authenticationData", CLI_SECRET, false,
		   "Authentication data from the cloud side, instead of the two above"},
		  ROW_FINGERPRINT}},
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
	{.words = "cloud master-key status", .server = CLI_CLOUD, .method = "GET",
	 .path = CLOUD "/master-key",
	 .summary = "How much is sealed, and how much of it under an older master key"},
	{.words = "cloud master-key reseal", .server = CLI_CLOUD, .method = "POST",
	 .path = CLOUD "/master-key", .run = cli_master_key_reseal,
	 .summary = "Seal again what is sealed under an older master key, and wait for it",
	 .rows = {{"new-data-keys", NULL, CLI_BOOL, false,
		   "Also move the entries of all tenants to new data keys"}}},

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

	{.words = "cloud setup", .server = CLI_CLOUD, .run = cli_cloud_setup,
	 .summary = "First start: replace the setup code by a password",
	 .rows = {{"new-password", NULL, CLI_SECRET, true, "The new password"}}},
	{.words = "cloud version", .server = CLI_CLOUD, .method = "GET", .path = CLOUD "/version",
	 .summary = "The cloud side's version"},
	{.words = "cloud ca", .server = CLI_CLOUD, .method = "GET", .path = CLOUD "/ca",
	 .summary = "The certification authority: its root, its pin, the region host"},
	{.words = "cloud user list", .server = CLI_CLOUD, .method = "GET", .path = CLOUD "/users",
	 .summary = "Users", .columns = "name,displayName,roles,locked"},
	{.words = "cloud user create", .server = CLI_CLOUD, .method = "POST", .path = CLOUD "/users",
	 .summary = "Make a user",
	 .rows = {{"NAME", "name", CLI_TEXT, true, "Its name, often an e-mail address"},
		  {"display-name", "displayName", CLI_TEXT, false, "Name for people"},
		  {"user-password", "password", CLI_SECRET, true, "Its password"},
		  {"roles", "roles", CLI_LIST, false, "administrator, subaccount-administrator, display"}}},
	{.words = "cloud user show", .server = CLI_CLOUD, .method = "GET", .path = CLOUD "/users/{NAME}",
	 .summary = "One user", .rows = {{"NAME", NULL, CLI_TEXT, true, "Its name"}}},
	{.words = "cloud user change", .server = CLI_CLOUD, .method = "PUT", .path = CLOUD "/users/{NAME}",
	 .summary = "Change a user; what is not named stays",
	 .rows = {{"NAME", NULL, CLI_TEXT, true, "Its name"},
		  {"display-name", "displayName", CLI_TEXT, false, "Name for people"},
		  {"roles", "roles", CLI_LIST, false, "administrator, subaccount-administrator, display"},
		  {"locked", "locked", CLI_BOOL, false, "May not log in"}}},
	{.words = "cloud user password", .server = CLI_CLOUD, .method = "PUT",
	 .path = CLOUD "/users/{NAME}/password", .run = cli_cloud_password,
	 .summary = "Change one's own password, or set one that its user must change",
	 .rows = {{"NAME", NULL, CLI_TEXT, true, "Its name"},
		  {"user-password", "newPassword", CLI_SECRET, true, "The new password"}}},
	{.words = "cloud user delete", .server = CLI_CLOUD, .method = "DELETE", .path = CLOUD "/users/{NAME}",
	 .summary = "Delete a user", .rows = {{"NAME", NULL, CLI_TEXT, true, "Its name"}}},
	{.words = "cloud subaccount list", .server = CLI_CLOUD, .method = "GET", .path = CLOUD "/subaccounts",
	 .summary = "Subaccounts", .columns = "id,displayName,subdomain,locked"},
	{.words = "cloud subaccount create", .server = CLI_CLOUD, .method = "POST", .path = CLOUD "/subaccounts",
	 .summary = "Make a subaccount",
	 .rows = {{"DISPLAY-NAME", "displayName", CLI_TEXT, true, "Name for people"},
		  {"OWNER", "owner", CLI_TEXT, true, "User who may add connectors"},
		  {"id", "id", CLI_TEXT, false, "A UUID; one is drawn otherwise"},
		  {"subdomain", "subdomain", CLI_TEXT, false, "Label in host names"},
		  {"description", "description", CLI_TEXT, false, "Text for people"}}},
	{.words = "cloud subaccount show", .server = CLI_CLOUD, .method = "GET", .path = OF_CLOUD,
	 .summary = "One subaccount", .rows = {ROW_TENANT}},
	{.words = "cloud subaccount change", .server = CLI_CLOUD, .method = "PUT", .path = OF_CLOUD,
	 .summary = "Change a subaccount; what is not named stays",
	 .rows = {ROW_TENANT,
		  {"display-name", "displayName", CLI_TEXT, false, "Name for people"},
		  {"subdomain", "subdomain", CLI_TEXT, false, "Label in host names"},
		  {"description", "description", CLI_TEXT, false, "Text for people"},
		  {"locked", "locked", CLI_BOOL, false, "Lets no tunnel in"},
		  {"renewal-allowed", "renewalAllowed", CLI_BOOL, false,
		   "Its connectors may renew their certificates"}}},
	{.words = "cloud subaccount delete", .server = CLI_CLOUD, .method = "DELETE", .path = OF_CLOUD,
	 .summary = "Delete a subaccount with all that is in it", .rows = {ROW_TENANT}},
	{.words = "cloud owner list", .server = CLI_CLOUD, .method = "GET", .path = OF_CLOUD "/owners",
	 .summary = "Who may add connectors and refresh their certificates", .rows = {ROW_TENANT},
	 .columns = "user,displayName,locked"},
	{.words = "cloud owner add", .server = CLI_CLOUD, .method = "PUT", .path = OF_CLOUD "/owners/{USER}",
	 .summary = "Make a user an owner", .rows = {ROW_TENANT, {"USER", NULL, CLI_TEXT, true, "Its name"}}},
	{.words = "cloud owner remove", .server = CLI_CLOUD, .method = "DELETE", .path = OF_CLOUD "/owners/{USER}",
	 .summary = "Take ownership away; one unlocked owner stays",
	 .rows = {ROW_TENANT, {"USER", NULL, CLI_TEXT, true, "Its name"}}},
	{.words = "owner list", .server = CLI_CLOUD, .method = "GET", .path = OF_CLOUD "/owners",
	 .summary = "As \"cloud owner list\"", .rows = {ROW_TENANT}, .columns = "user,displayName,locked"},
	{.words = "owner add", .server = CLI_CLOUD, .method = "PUT", .path = OF_CLOUD "/owners/{USER}",
	 .summary = "As \"cloud owner add\"",
	 .rows = {ROW_TENANT, {"USER", NULL, CLI_TEXT, true, "Its name"}}},
	{.words = "owner remove", .server = CLI_CLOUD, .method = "DELETE", .path = OF_CLOUD "/owners/{USER}",
	 .summary = "As \"cloud owner remove\"",
	 .rows = {ROW_TENANT, {"USER", NULL, CLI_TEXT, true, "Its name"}}},
	{.words = "cloud certificates", .server = CLI_CLOUD, .run = cli_cert_list,
	 .summary = "Every certificate that the cloud side knows, with its remaining life",
	 .rows = {ROWS_OF_CERTIFICATES}, .columns = CERTIFICATE_COLUMNS},
	{.words = "cloud alerts test-mail", .server = CLI_CLOUD, .method = "POST",
	 .path = CLOUD "/alerts/test-mail", .summary = "Send a test mail, and see what the server says"},
	{.words = "cloud alerts test-webhook", .server = CLI_CLOUD, .method = "POST",
	 .path = CLOUD "/alerts/test-webhook", .summary = "Call the webhook once"},
	{.words = "cloud alerts", .server = CLI_CLOUD, .method = "GET", .path = CLOUD "/alerts",
	 .summary = "What is worth an alert, and what was solved lately", .columns = ALERT_COLUMNS},
	{.words = "cloud member list", .server = CLI_CLOUD, .method = "GET", .path = OF_CLOUD "/members",
	 .summary = "Who has roles in a subaccount's keystore", .rows = {ROW_TENANT},
	 .columns = "user,roles"},
	{.words = "cloud member set", .server = CLI_CLOUD, .method = "PUT", .path = OF_CLOUD "/members/{USER}",
	 .summary = "Give a user roles in a subaccount's keystore, instead of those it has",
	 .rows = {ROW_TENANT, {"USER", NULL, CLI_TEXT, true, "Its name"},
		  {"roles", "roles", CLI_LIST, true,
		   "AuthGroup.Administrator, AuthGroup.IntegrationDeveloper, AuthGroup.ReadOnly, "
		   "NodeManager.read, NodeManager.deploysecuritycontent"}}},
	{.words = "cloud member remove", .server = CLI_CLOUD, .method = "DELETE",
	 .path = OF_CLOUD "/members/{USER}", .summary = "Take all roles in the keystore away",
	 .rows = {ROW_TENANT, {"USER", NULL, CLI_TEXT, true, "Its name"}}},
	{.words = "cloud auth-data", .server = CLI_CLOUD, .method = "POST",
	 .path = OF_CLOUD "/authentication-data",
	 .summary = "One-time authentication data, with which a connector enrols within five minutes",
	 .rows = {ROW_TENANT}},
	{.words = "cloud service-key list", .server = CLI_CLOUD, .method = "GET",
	 .path = OF_CLOUD "/service-keys", .summary = "Credentials of applications", .rows = {ROW_TENANT},
	 .columns = "name,created"},
	{.words = "cloud service-key create", .server = CLI_CLOUD, .method = "POST",
	 .path = OF_CLOUD "/service-keys",
	 .summary = "Credentials for an application; the secret is shown this once",
	 .rows = {ROW_TENANT, {"name", "name", CLI_TEXT, true, "Name of the key"},
		  {"roles", "roles", CLI_LIST, false,
		   "What it may in the subaccount's keystore, as for members; none by default"}}},
	{.words = "cloud service-key delete", .server = CLI_CLOUD, .method = "DELETE",
	 .path = OF_CLOUD "/service-keys/{NAME}", .summary = "Make credentials worthless",
	 .rows = {ROW_TENANT, {"NAME", NULL, CLI_TEXT, true, "Name of the key"}}},
	{.words = "cloud connector list", .server = CLI_CLOUD, .method = "GET", .path = OF_CLOUD "/connectors",
	 .summary = "The connectors of a subaccount", .rows = {ROW_TENANT},
	 .columns = "instance,locationId,version,address,connected,tunnels,disconnected,lastSeen"},
	{.words = "cloud connector disconnect", .server = CLI_CLOUD, .method = "PUT",
	 .path = OF_CLOUD "/connectors/{INSTANCE}/state", .body = "\"connected\":false",
	 .summary = "Cut a connector off and keep it out",
	 .rows = {ROW_TENANT, {"INSTANCE", NULL, CLI_TEXT, true, "The installation's UUID"}}},
	{.words = "cloud connector connect", .server = CLI_CLOUD, .method = "PUT",
	 .path = OF_CLOUD "/connectors/{INSTANCE}/state", .body = "\"connected\":true",
	 .summary = "Let a connector in again",
	 .rows = {ROW_TENANT, {"INSTANCE", NULL, CLI_TEXT, true, "The installation's UUID"}}},
	{.words = "cloud cert list", .server = CLI_CLOUD, .method = "GET", .path = OF_CLOUD "/certificates",
	 .summary = "The certificates issued to connectors", .rows = {ROW_TENANT},
	 .columns = "serialNumber,instance,state,notBefore,notAfter,issuedTo"},
	{.words = "cloud cert revoke", .server = CLI_CLOUD, .method = "POST",
	 .path = OF_CLOUD "/certificates/{SERIAL}/revoke", .summary = "Revoke a certificate; cuts its tunnels",
	 .rows = {ROW_TENANT, {"SERIAL", NULL, CLI_TEXT, true, "Its serial number"}}},
	{.words = "keystore status", .server = CLI_CLOUD, .method = "GET", .path = OF_KEYSTORE,
	 .summary = "How many entries, how many near their end, the backup, and what can be undone",
	 .rows = {ROW_TENANT}},
	{.words = "keystore list", .server = CLI_CLOUD, .run = cli_keystore_list,
	 .summary = "A tenant's key pairs and certificates", .columns = KEYSTORE_COLUMNS,
	 .rows = {ROW_TENANT,
		  {"backup", NULL, CLI_BOOL, false, "Those of the backup, not the current ones"},
		  {"expiring-within", NULL, CLI_TEXT, false, "Only those that end within a time like 30d"},
		  {"fail-on-expiry", NULL, CLI_BOOL, false, "Exit with 1 when one of them is listed, or expired"}}},
	{.words = "keystore show", .server = CLI_CLOUD, .run = cli_keystore_show,
	 .summary = "One entry with its chain and fingerprints",
	 .columns = "Index,SubjectDN,IssuerDN,ValidNotAfter,FingerprintSha256",
	 .rows = {ROW_TENANT, ROW_ALIAS,
		  {"backup", NULL, CLI_BOOL, false, "As the backup has it"}}},
	{.words = "keystore import", .server = CLI_CLOUD, .run = cli_keystore_import,
	 .summary = "Take a certificate, a key pair or a whole keystore from a file",
	 .columns = "Alias,Type,Status,ValidNotAfter,SubjectDN",
	 .rows = {ROW_TENANT,
		  {"FILE", NULL, CLI_TEXT, true, "PKCS#12, PEM, DER or PKCS#7; - for standard input"},
		  {"alias", NULL, CLI_TEXT, false, "Alias of one entry; without it all that the file holds"},
		  {"as", NULL, CLI_TEXT, false, "certificate, key, key-pair or keystore; seen from the file otherwise"},
		  {"mode", NULL, CLI_TEXT, false, "Of a keystore: merge (usual), overwrite or replace"},
		  {"update", NULL, CLI_BOOL, false, "Replace the entry of that alias"},
		  {"file-password", NULL, CLI_SECRET, false, "The file's password"},
		  ROW_CONFIRM,
		  {"signature", NULL, CLI_TEXT, false, "Of a key without a certificate: signature algorithm"},
		  {"common-name", NULL, CLI_TEXT, false, "Of a key without a certificate: its CN"},
		  {"valid-for", NULL, CLI_TEXT, false, "Of a key without a certificate: validity, such as 730d"}}},
	{.words = "keystore export", .server = CLI_CLOUD, .run = cli_keystore_export,
	 .summary = "Public content of an entry, or of all entries as a JCEKS file",
	 .rows = {ROW_TENANT,
		  {"alias", NULL, CLI_TEXT, false, "The entry; all of them otherwise"},
		  {"what", NULL, CLI_TEXT, false, "certificate (usual), chain, root, or ssh: the OpenSSH public key"},
		  {"backup", NULL, CLI_BOOL, false, "As the backup has it"}, ROW_TO}},
	{.words = "keystore create", .server = CLI_CLOUD, .run = cli_keystore_create,
	 .summary = "Make a key pair with a self-signed certificate", .columns = KEYSTORE_COLUMNS,
	 .rows = {ROW_TENANT, {"ALIAS", NULL, CLI_TEXT, true, "Its alias"},
		  {"key-type", NULL, CLI_TEXT, false, "RSA (usual), EC, DSA, Ed25519 or Ed448"},
		  {"key-size", NULL, CLI_TEXT, false, "Bits; 4096 for RSA otherwise"},
		  {"curve", NULL, CLI_TEXT, false, "Of EC, such as secp256r1"}, ROWS_OF_KEY}},
	{.words = "keystore csr", .server = CLI_CLOUD, .run = cli_keystore_csr,
	 .summary = "A signing request (PKCS#10) of a key pair", .rows = {ROW_TENANT, ROW_ALIAS, ROW_TO}},
	{.words = "keystore reply", .server = CLI_CLOUD, .run = cli_keystore_reply,
	 .summary = "Take the certificates that a CA answered to a signing request",
	 .columns = "Alias,Type,Status,ValidNotAfter,SubjectDN",
	 .rows = {ROW_TENANT, ROW_ALIAS, {"FILE", NULL, CLI_TEXT, true, "PKCS#7, PEM or DER"}, ROW_CONFIRM}},
	{.words = "keystore rename", .server = CLI_CLOUD, .run = cli_keystore_rename,
	 .summary = "Give an entry another alias",
	 .rows = {ROW_TENANT, ROW_ALIAS, {"NEW-ALIAS", NULL, CLI_TEXT, true, "The new one"}}},
	{.words = "keystore delete", .server = CLI_CLOUD, .run = cli_keystore_delete,
	 .summary = "Delete an entry; a backup that holds it brings it back", .rows = {ROW_TENANT, ROW_ALIAS}},
	{.words = "keystore trust-inbound", .server = CLI_CLOUD, .method = "PUT",
	 .path = OF_KEYSTORE "/entries/{ALIAS}", .summary = "Let a certificate vouch for clients of the TLS proxy, or not",
	 .columns = CHANGES,
	 .rows = {ROW_TENANT, {"ALIAS", NULL, CLI_ALIAS, true, "The entry's alias, in any case"},
		  {"TRUST", "trustedForInbound", CLI_BOOL, true, "on or off"}}},
	{.words = "keystore backup", .server = CLI_CLOUD, .method = "POST", .path = OF_KEYSTORE "/backups",
	 .summary = "Back up the tenant's entries; earlier backups stay in the history",
	 .rows = {ROW_TENANT, {"note", "note", CLI_TEXT, false, "A line for the history", ""}}},
	{.words = "keystore backups", .server = CLI_CLOUD, .method = "GET", .path = OF_KEYSTORE "/backups",
	 .summary = "Backups, and what restores saved, newest first", .rows = {ROW_TENANT},
	 .columns = "backup,kind,current,at,by,entries,note"},
	{.words = "keystore preview", .server = CLI_CLOUD, .run = cli_keystore_preview,
	 .summary = "What a restore would do, entry by entry", .columns = CHANGES,
	 .rows = {ROW_TENANT, ROWS_OF_RESTORE}},
	{.words = "keystore restore", .server = CLI_CLOUD, .method = "POST", .path = OF_KEYSTORE "/restore",
	 .summary = "Go back to a backup; what is lost is saved first", .columns = CHANGES,
	 .rows = {ROW_TENANT, ROWS_OF_RESTORE}},
	{.words = "keystore undo", .server = CLI_CLOUD, .method = "POST", .path = OF_KEYSTORE "/undo",
	 .summary = "Undo the last restore", .columns = CHANGES, .rows = {ROW_TENANT}},
	{.words = "keystore history", .server = CLI_CLOUD, .method = "GET", .path = OF_KEYSTORE "/generations",
	 .summary = "What happened to the keystore, newest first", .rows = {ROW_TENANT},
	 .columns = "generation,at,by,what,opened,closed"},
	{.words = "keystore test", .server = CLI_CLOUD, .method = "POST",
	 .path = OF_KEYSTORE "/connection-test", .run = cli_keystore_test,
	 .summary = "Open TLS to a server as the tenant, and tell what it meets",
	 .rows = {ROW_TENANT, {"HOST", "host", CLI_TEXT, true, "The server's name"},
		  {"PORT", "port", CLI_NUMBER, true, "Its port"},
		  {"alias", "alias", CLI_TEXT, false, "Key pair to show; chosen when the server asks otherwise"},
		  {"validate-server", "validateServer", CLI_BOOL, false,
		   "Judge its chain, time and name", "on"}}},
	{.words = "keystore require-certificate", .server = CLI_CLOUD, .method = "PUT",
	 .path = OF_KEYSTORE "/settings",
	 .summary = "Demand a client certificate of whoever uses the TLS proxy, or not",
	 .rows = {ROW_TENANT, {"REQUIRED", "clientCertificateRequired", CLI_BOOL, true, "on or off"}}},
	{.words = "keystore verify", .server = CLI_CLOUD, .method = "GET", .path = OF_KEYSTORE "/verify",
	 .summary = "Check every entry against its seal", .rows = {ROW_TENANT}},
	{.words = "cloud audit denied", .server = CLI_CLOUD, .method = "GET", .path = CLOUD "/audit/denied",
	 .summary = "Denied attempts, and what was taken out of keystores, newest first",
	 .rows = {ROW_LIMIT}, .columns = "at,who,from,what,object,after"},
	{.words = "cloud audit", .server = CLI_CLOUD, .method = "GET", .path = CLOUD "/audit",
	 .summary = "Changes, newest first", .rows = {ROW_LIMIT}, .columns = "n,at,who,from,what,object"},
	{.words = "audit verify", .server = CLI_LOCAL, .run = cli_audit_verify,
	 .summary = "Check an audit log against itself, and against the key process's anchor",
	 .rows = {{"DATABASE", NULL, CLI_TEXT, true,
		   "The program's database: a file of SQLite, or a URL of PostgreSQL"},
		  {"anchor", NULL, CLI_TEXT, false,
		   "The file keyd/anchor in the program's state folder, or a copy of it"}}},
	{.words = NULL},
	/* clang-format on */
};

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

const struct cli_command *cli_command_at(size_t i)
{
	static const struct cli_command *const sets[] = {
		cli_connector_commands,
		cli_cloud_commands,
		cli_keystore_commands,
	};

	for (size_t set = 0; set < COUNT(sets); set++) {
		const struct cli_command *c = sets[set];
		for (; c->words != NULL && i > 0; i--) {
			c++;
		}
		if (c->words != NULL) {
			return c;
		}
	}
	return NULL;
}

/*
 * Writes the manual pages of all four programs into the folder named by its argument, from the same
 * tables that the programs read: run by the build.
 */
#include "programs/cli.h"
#include "programs/cloud_options.h"
#include "programs/connector_options.h"

static bool save(const char *folder, const char *name, int section, struct str body)
{
	char path[1024];
	snprintf(path, sizeof path, "%s/%s.%d", folder, name, section);
	FILE *f = fopen(path, "we");
	if (f == NULL) {
		perror(path);
		return false;
	}
	fprintf(f, ".\\\" Generated from the tables of the program.\n.Dd $Mdocdate$\n.Dt ");
	for (const char *c = name; *c != '\0'; c++) {
		fputc(*c >= 'a' && *c <= 'z' ? *c - 32 : *c, f);
	}
	fprintf(f, " %d\n.Os\n", section);
	fwrite(body.at, 1, body.len, f);
	return fclose(f) == 0;
}

struct page {
	const char *name, *summary, *description;
	const struct option *options; /* NULL: none */
	const char *see;
};

static void write_daemon(struct buf *out, const struct page *page)
{
	buf_addf(out, ".Sh NAME\n.Nm %s\n.Nd %s\n.Sh SYNOPSIS\n.Nm\n", page->name, page->summary);
	if (page->options != NULL) {
		buf_add_str(out, STR(".Op Ar options\n"));
	}
	buf_add_str(out, STR(".Sh DESCRIPTION\n.Nm\n"));
	options_add_man_text(out, str_of(page->description));
	buf_add_c(out, '\n');
	if (page->options != NULL) {
		buf_add_str(
			out,
			STR(".Sh OPTIONS\nEach option is also a line\n.Ql key = value\nof the "
			    "settings "
			    "file, with dots for the dashes between its words,\nand a variable of "
			    "the environment:\n.Fl Fl state-dir\nis\n.Ql state.dir\nand\n"
			    ".Ev DRAWBRIDGE_STATE_DIR .\nLater wins in the order default, file, "
			    "environment, command line.\n"
			    ".Bl -tag -width Ds\n"));
		options_write_man(page->options, out);
		buf_add_str(out, STR(".El\n"));
	}
	buf_addf(out, ".Sh SEE ALSO\n%s\n", page->see);
}

int main(int argc, char **argv)
{
	const struct page pages[] = {
		{"drawbridge-cloud", "relay, console and certification authority of Drawbridge",
		 "takes tunnels from connectors and requests from applications, and keeps "
		 "subaccounts, "
		 "owners and certificates. It runs in the foreground and logs to standard error. "
		 "At SIGHUP it reads its settings again, at SIGTERM it drains and ends.",
		 cloud_option_table,
		 ".Xr drawbridge 1 ,\n.Xr drawbridge-connector 8 ,\n.Xr drawbridge-keyd 8"},
		{"drawbridge-connector", "on-premise end of Drawbridge",
		 "dials tunnels to a cloud side, and serves the requests that come back over them "
		 "for the "
		 "hosts and paths that its administrator exposed. It opens no inbound port for "
		 "them. "
		 "It runs in the foreground and logs to standard error. "
		 "At SIGHUP it reads its settings again, at SIGTERM it drains and ends.",
		 connector_option_table,
		 ".Xr drawbridge 1 ,\n.Xr drawbridge-cloud 8 ,\n.Xr drawbridge-keyd 8"},
		{"drawbridge-keyd", "key process of Drawbridge",
		 "holds every private key and signs with it. It is started by the monitor of "
		 "drawbridge-cloud or drawbridge-connector, and has no network and no database. "
		 "Two things are done by hand. "
		 "With --new-master-key FILE it puts a new master key before those in FILE: "
		 "at SIGHUP to the daemon it seals from then on. "
		 "With --drop-old-master-keys FILE only that first one stays: what is still sealed "
		 "under another one is lost, so drawbridge cloud master-key reseal, or that of the "
		 "connector, comes first. "
		 "--version prints its version, --help its options.",
		 NULL, ".Xr drawbridge-cloud 8 ,\n.Xr drawbridge-connector 8"},
	};
	if (argc != 2) {
		fprintf(stderr, "usage: %s folder\n", argv[0]);
		return 2;
	}
	AUTO_BUF struct buf text = BUF(CLI_TEXT_MAX);
	cli_write_man(&text);
	bool good = save(argv[1], "drawbridge", 1, buf_str(&text));
	for (size_t i = 0; i < COUNT(pages); i++) {
		buf_reset(&text);
		write_daemon(&text, &pages[i]);
		good = save(argv[1], pages[i].name, 8, buf_str(&text)) && good;
	}
	return good ? 0 : 1;
}

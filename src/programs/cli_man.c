/* drawbridge(1) out of the table of commands, in mdoc. */
#include "programs/cli.h"

static void write_row(struct buf *out, const struct cli_row *row)
{
	if (cli_row_is_argument(row)) {
		buf_addf(out, ".It Ar %s\n", row->name);
	} else if (row->kind == CLI_SECRET) {
		buf_addf(out, ".It Fl Fl %s-file Ns = Ns Ar file\n", row->name);
	} else if (row->kind == CLI_BOOL) {
		buf_addf(out, ".It Fl Fl %s Ns Op = Ns Ar on|off\n", row->name);
	} else {
		buf_addf(out, ".It Fl Fl %s Ns = Ns Ar value\n", row->name);
	}
	options_add_man_text(out, str_of(row->help));
	if (row->usual != NULL) {
		buf_addf(out, " (%s unless given)", row->usual);
	}
	buf_add_str(out, STR(".\n"));
}

static void write_command(struct buf *out, const struct cli_command *c)
{
	buf_addf(out, ".It Cm %s", c->words);
	for (int i = 0; i < CLI_ROWS_MAX && c->rows[i].name != NULL; i++) {
		if (cli_row_is_argument(&c->rows[i])) {
			buf_addf(out, c->rows[i].required ? " Ar %s" : " Op Ar %s",
				 c->rows[i].name);
		}
	}
	buf_add_c(out, '\n');
	options_add_man_text(out, str_of(c->summary));
	buf_add_str(out, STR(".\n"));
	if (c->rows[0].name == NULL) {
		return;
	}
	buf_add_str(out, STR(".Bl -tag -width Ds -compact\n"));
	for (int i = 0; i < CLI_ROWS_MAX && c->rows[i].name != NULL; i++) {
		write_row(out, &c->rows[i]);
	}
	buf_add_str(out, STR(".El\n"));
}

void cli_write_man(struct buf *out)
{
	buf_add_str(out,
		    STR(".Sh NAME\n.Nm drawbridge\n.Nd administer a Drawbridge connector or cloud "
			"side\n"
			".Sh SYNOPSIS\n.Nm\n.Op Ar options\n.Ar command\n.Op Ar argument ...\n"
			".Nm\n.Cm completion bash\n"
			".Sh DESCRIPTION\n.Nm\ncalls the REST interfaces of\n.Xr "
			"drawbridge-connector 8\n"
			"and\n.Xr drawbridge-cloud 8 .\nIt speaks only to a server that it trusts: "
			"by the "
			"system's certificates,\nby\n.Fl Fl ca-file\nor by\n.Fl Fl root-pin .\n"
			"A refusal of trust names the fingerprint of the server's root.\n.Pp\n"
			"Secrets never stand on the command line: each comes from the file named "
			"by its\n"
			"option, from the environment\n.Pq Ev DRAWBRIDGE_CLOUD_PASSWORD for Fl Fl "
			"cloud-password-file ,\nor is asked for on the terminal.\n"
			".Sh COMMANDS\n.Bl -tag -width Ds\n"));
	for (size_t at = 0; cli_command_at(at) != NULL; at++) {
		const struct cli_command *c = cli_command_at(at);
		write_command(out, c);
	}
	buf_add_str(out, STR(".El\n.Sh OPTIONS\n.Bl -tag -width Ds\n"));
	options_write_man(cli_option_table, out);
	buf_add_str(
		out,
		STR(".El\n.Pp\nEach is also a variable of the environment:\n.Fl Fl ca-file\nis\n"
		    ".Ev DRAWBRIDGE_CA_FILE .\n"
		    ".Sh EXIT STATUS\n0 when it was done, 1 when it was refused or failed, 2 for "
		    "wrong usage.\n"
		    ".Sh EXAMPLES\n.Bd -literal\n"
		    "drawbridge mapping add 0f9a7c1e-5b1d-4c3e-9b1a-000000000001 \\e\n"
		    "    erp.virtual:44300 erp.internal:8000\n"
		    "drawbridge resource add 0f9a7c1e-5b1d-4c3e-9b1a-000000000001 \\e\n"
		    "    erp.virtual:44300 /orders\n"
		    ".Ed\n.Sh SEE ALSO\n.Xr drawbridge-cloud 8 ,\n.Xr drawbridge-connector 8\n"));
}

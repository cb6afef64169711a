/* The audit: what was changed, and what was refused. */
#include "cloud/console/console_priv.h"
#include "http/audit_list.h"

void console_audit(struct http_call *call)
{
	http_audit_list(call, console_store(call));
}

void console_denied(struct http_call *call)
{
	http_denied_list(call, console_store(call));
}

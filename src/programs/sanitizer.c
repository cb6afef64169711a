/*
 * For builds with AddressSanitizer, unused in others: its leak checker stops all threads by ptrace
 * at exit, which the sandbox forbids; it would hang or change the exit status. Leaks are looked for
 * by the unit tests.
 */
const char *__asan_default_options(void);

__attribute__((used, visibility("default"))) const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

/* Runs a fuzz target over the files of a folder: the corpus is part of every ordinary test run. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static int run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	if (f == NULL) {
		perror(path);
		return 1;
	}
	static uint8_t bytes[1 << 20];
	size_t len = fread(bytes, 1, sizeof bytes, f);
	fclose(f);
	/* A copy of exactly that size, so that a read behind the end is seen by ASan. */
	uint8_t *exact = malloc(len ? len : 1);
	for (size_t i = 0; i < len; i++) {
		exact[i] = bytes[i];
	}
	LLVMFuzzerTestOneInput(exact, len);
	free(exact);
	return 0;
}

int main(int argc, char **argv)
{
	int n = 0;
	for (int i = 1; i < argc; i++) {
		DIR *dir = opendir(argv[i]);
		if (dir == NULL) {
			perror(argv[i]);
			return 1;
		}
		for (struct dirent *e; (e = readdir(dir)) != NULL;) {
			char path[4096];
			if (e->d_name[0] == '.') {
				continue;
			}
			snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
			if (run_file(path) != 0) {
				return 1;
			}
			n++;
		}
		closedir(dir);
	}
	printf("%d inputs\n", n);
	return n > 0 ? 0 : 1;
}

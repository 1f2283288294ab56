/* main.c: the `reveille` executable; everything is in the library, so that tests can reach it. */
#include "cli.h"

int main(int argc, char **argv) {
    return rv_cli_main(argc, (const char *const *)argv);
}

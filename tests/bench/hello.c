/* The least a dynamically linked C program can do: the rival of the start-up row. Links libc only. */
#include <stdio.h>

int main(void)
{
	return puts("hello") == EOF || fflush(stdout) == EOF;
}

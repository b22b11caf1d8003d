/* The installed header and library: no C++, no other header of the project. */
#include <string.h>
#include <vitrt.h>

int main(void) {
  vitrt_model *model = NULL;
  if (vitrt_version() != VITRT_VERSION_MAJOR * 10000 + VITRT_VERSION_MINOR * 100 + VITRT_VERSION_PATCH)
    return 1;
  if (vitrt_model_open("no-such-file.vitx", NULL, &model) != VITRT_ERROR_IO || model != NULL)
    return 2;
  return strstr(vitrt_last_error(), "no-such-file.vitx") ? 0 : 3;
}

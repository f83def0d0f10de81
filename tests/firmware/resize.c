// Prints how many instructions a photo's resize takes, and the words of the result.
#include <stdint.h>

void print(const char *text);
void print_hex(uint32_t number);
uint32_t instructions(void);

extern const uint8_t photo[];
extern const int32_t width, height, output_words;
extern uint8_t scratch[];

void call_resize(
    const uint8_t *pixels, int64_t row_bytes, int64_t pixel_bytes, int64_t width, int64_t height,
    uint8_t *scratch, uint8_t *output);

int main(void) {
    static uint32_t output[20000];
    uint32_t before = instructions();
    call_resize(photo, width * 3, 3, width, height, scratch, (uint8_t *)output);
    print_hex(instructions() - before);
    for (int32_t i = 0; i < output_words; i++) print_hex(output[i]);
    return 0;
}

// Prints the logits of images, as bits of float32, and how many instructions each took.
#include <stdint.h>

void print(const char *text);
void print_hex(uint32_t number);
uint32_t instructions(void);

extern const int32_t images, image_length, classes, memory_bytes;
extern const IMAGE_TYPE image[];
extern uint8_t memory[];

int32_t shufflenet_prepare(void *memory, uint32_t bytes);
int32_t LOGITS(void *memory, const IMAGE_TYPE *image, float *logits);

int main(void) {
    static float logits[2000];
    if (shufflenet_prepare(memory, memory_bytes)) return print("not prepared\n"), 1;
    for (int32_t n = 0; n < images; n++) {
        uint32_t before = instructions();
        if (LOGITS(memory, image + n * image_length, logits)) return print("refused\n"), 1;
        print_hex(instructions() - before);
        for (int32_t i = 0; i < classes; i++) print_hex(((union { float f; uint32_t u; }){logits[i]}).u);
        print("\n");
    }
    return 0;
}

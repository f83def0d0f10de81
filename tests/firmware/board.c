// A board of Arm's MPS2 family as QEMU plays it: start, print, exit, count instructions.
#include <stdint.h>

extern uint32_t stack_top[], data_from[], data_start[], data_end[], bss_start[], bss_end[];
int main(void);

static void halt(uint32_t operation, const void *argument) {
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory"); // semihosting
}

void print(const char *text) { halt(4, text); }

void print_hex(uint32_t number) {
    char text[10];
    for (int i = 0; i < 8; i++) text[i] = "0123456789abcdef"[number >> (28 - 4 * i) & 15];
    text[8] = ' ';
    text[9] = 0;
    print(text);
}

#define SYSTICK ((volatile uint32_t *)0xe000e010)

uint32_t instructions(void) { // modulo 671 million, by the timer of 25 MHz under -icount shift=0
    return (0xffffff - SYSTICK[2]) * 40;
}

static void fault(void) {
    print("fault\n");
    halt(0x18, (void *)0x20023);
}

void start(void) {
    *(volatile uint32_t *)0xe000ed88 |= 0xf << 20; // the floating-point unit
    __asm__ volatile("dsb\n isb");
    for (uint32_t *to = data_start, *from = data_from; to < data_end;) *to++ = *from++;
    for (uint32_t *to = bss_start; to < bss_end;) *to++ = 0;
    SYSTICK[1] = 0xffffff;
    SYSTICK[2] = 0;
    SYSTICK[0] = 5; // the processor's clock
    main();
    halt(0x18, (void *)0x20026);
}

__attribute__((section(".vectors"), used)) static void *const vectors[] = {
    stack_top, start, fault, fault, fault, fault, fault,
};

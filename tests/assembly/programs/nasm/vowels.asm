; Counts vowels with a bit mask and bt; setcc collects the answer.
; returns: 11
section .data
text    db "the quick brown fox jumps over the lazy dog", 0
vowels  dd (1<<('a'-'a'))|(1<<('e'-'a'))|(1<<('i'-'a'))|(1<<('o'-'a'))|(1<<('u'-'a'))
section .text
global main
main:   xor     eax, eax
        mov     esi, text
        mov     edx, [vowels]
.next:  movzx   ecx, byte [rsi]
        inc     rsi
        jecxz   .done
        sub     ecx, 'a'
        cmp     ecx, 25
        ja      .next
        bt      edx, ecx
        setc    cl
        movzx   ecx, cl
        add     eax, ecx
        jmp     short .next
.done:  ret

.data
small: .byte 256, -129
wide:  .word 70000
text:  .string hello
       .float 0x10
       .align 3
       .skip -1
       .bytes 1
.text
mov eax, small
ret

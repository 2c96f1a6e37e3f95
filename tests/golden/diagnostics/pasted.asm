mov eax, –5
mov eax, 5
msg: .ascii “hello”
xоr eax, eax
ret

; ifdef, ifndef, if, else and endif have no dot; numbers with a leading zero are decimal; '01' is 3031h.
; returns: 12337
ifndef  SCALE
SCALE   =       08
endif
.data
pair    word    '01'
.code
main    proc
if SCALE eq 8
        movzx   eax, pair
else
        mov     eax, 1
endif
ifdef   MISSING
        hlt
endif
        ret
main    endp
end     main

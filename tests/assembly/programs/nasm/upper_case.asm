; Everything in capitals, tabs between the columns, octal and binary numbers.
; stdout: "OK\n"
; status: 10
SEGMENT .data
TEXT	DB	'OK', 12o
SIZE	EQU	$-TEXT
SEGMENT .text
	GLOBAL	_start
_start:
	MOV	EAX, 1
	MOV	EDI, 1
	LEA	RSI, [TEXT]
	MOV	EDX, SIZE
	SYSCALL
	MOV	EAX, 60
	MOV	EDI, 1010B
	SYSCALL

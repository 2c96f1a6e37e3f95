# Several statements on a line, and comments of three kinds.
# returns: 6
.text
.globl main
main: movl $1, %eax; addl $2, %eax /* three */; addl $3, %eax # six
      rep; ret

"""An `Operation` to checked bytes, or to a `Refusal`.

encoder.py          the checked encoder: what is asked of whom, caches
encoding_key.py     cache key: operations that the same forms say
candidates.py       requests, candidate encodings, what an encoding class shares
canonical_text.py   an operation as text, as Keystone reads and Capstone writes it
iced_encoder.py     an operation built and encoded with iced-x86
iced_check.py       first check: iced-x86's decoder reads what was encoded
capstone_check.py   second check: Capstone's text says what the operation says
read_back.py        a disassembled text parsed back into operands
branches.py         direct branches, from the Intel SDM
keystone_client.py  many texts asked of Keystone at once
keystone_child.py   Keystone's process and the pipe to it
keystone_worker.py  the script that this process runs
refusals/           why an operation has no encoding
"""

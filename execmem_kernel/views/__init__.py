"""Values to text, HTML and pictures: views are given what they show, and measure nothing.

report        Report and its parts, as text and as HTML
outcome       the report of a run
listing       reports about source text: listings, diagnostics, codes
memory        the map of executable memory, audits and cleanups as tables
memory_map    the live map, a widget (memory_map.js, memory_map.css)
step_table    a recorded run as a table of steps
stepper       the same as a widget (stepper.js, stepper.css)
charts        bytes owned and not owned, a figure
"""

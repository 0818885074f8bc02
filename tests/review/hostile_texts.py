"""Header text that would like to be more than text: each of these must be seen as it is, and do nothing."""

HOSTILE_TEXTS = (
    *("<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg onload=alert(1)>", "<svg/onload=alert`1`>"),
    *('"><script>alert(1)</script>', "'><img src=x onerror=alert(1)>", "</td></tr></table><script>alert(1)</script>"),
    *("<iframe srcdoc='<script>alert(1)</script>'>", "<a href=javascript:alert(1)>x</a>", "<body onload=alert(1)>"),
    *("<details open ontoggle=alert(1)>", "<style>@import 'http://example.invalid/x.css'</style>"),
    *("<link rel=stylesheet href=http://example.invalid/x.css>", "<meta http-equiv=refresh content=0;url=//x.invalid>"),
    *("<object data=javascript:alert(1)>", "<math><mtext><script>alert(1)</script>", "<!--<script>alert(1)//-->"),
    *(
        "<![CDATA[<script>alert(1)</script>]]>",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "&#60;img src=x onerror=alert(1)&#62;",
    ),
    *(
        "javascript:alert(1)",
        "${alert(1)}",
        "{{constructor.constructor('alert(1)')()}}",
        "`;alert(1);//",
        "';alert(1);//",
    ),
    *(
        '\\"-alert(1)}//',
        "</script><script>alert(1)</script>",
        "</style><script>alert(1)</script>",
        "</textarea><img src=x>",
    ),
    *(
        "'; DROP TABLE files; --",
        "\" OR 1=1; ATTACH 'x'; --",
        '=HYPERLINK("http://x.invalid")',
        "$(document).ready(alert)",
    ),
)

"""How models decline, in seven languages: regular expressions for the start of an answer.

The answer's blanks are single and its apostrophes straight. None of them reads past a quotation mark.
"""

_CANNOT = (
    r"(?:can(?:no|')t|can not|could not|couldn't|won't|will not|am unable to|'m unable to|am not able to"
    r"|'m not able to|am not comfortable|'m not comfortable|must decline(?: to)?|have to decline(?: to)?"
    r"|need to decline(?: to)?|refuse to|am not (?:allowed|permitted|programmed|designed) to"
    r"|don't (?:feel comfortable|have the ability to|have the capability to)"
    r"|do not (?:feel comfortable|have the ability to|have the capability to))"
)
_DO = (
    r"(?:\s+(?:directly|really|actually|in good conscience|currently|physically|to))*\s+"
    r"(?:help|assist|comply|fulfil+|provid\w*|creat\w*|generat\w*|writ\w*|answer\w*|do (?:that|this|so)"
    r"|engag\w*|participat\w*|support|discuss\w*|offer\w*|shar\w*|giv\w*|complete|produc\w*|continue|respond"
    r"|process|access\w*|brows\w*|translate|rewrite|perform|execute|satisfy|accommodate|make(?! heads)|tell"
    r"|show|view|see|open|read|listen|recommend|express|speculate|predict|verify|with (?:that|this))\b"
)
_OPENING = (
    r"(?:(?:(?:oh|hello|hi|hey|well|thank you[^.!?\n]{0,60}|thanks[^.!?\n]{0,60})[,.!]?\s+)?"
    r"(?:i(?:'m| am)\s+(?:\w+\s+)?(?:sorry|afraid)|(?:my\s+)?apologies|i\s+(?:sincerely\s+)?apologi[sz]e"
    r"|sorry|unfortunately|regrettably|while i appreciate"
    r"|i(?:'m| am) (?:just |only )?an? (?:ai|computer|language)"
    r"|as an ai(?:\s+\w+){0,3}|as a (?:large )?language model)"
    r"[^.!?\n\"“”]{0,80}[.,;:!]?\s+(?:but\s+|that\s+|however,?\s+)?)?"
)
_ENGLISH = [
    rf"^{_OPENING}(?:i|we)(?:\s+(?:simply|really|also|still|just))?\s*{_CANNOT}{_DO}",
    rf"^{_OPENING}(?:i(?:'m| am)\s+)(?:sorry|afraid)[,.]?\s+(?:but\s+)?(?:i|we|that|this)\s*{_CANNOT}"
    r"(?!\s+(?:understand|identify|find|determine|believe|imagine|thank))",
    r"^i(?:'m| am) (?:sorry|afraid),?\s+(?:but\s+)?i\s+(?:don't|do not)\s+have\b",
    r"^i(?:'m| am) (?:sorry|afraid),? (?:but )?(?:as an ai|i am (?:just |only )?an ai)",
    r"^as an ai[^.!?\n\"]{0,60}i\s*(?:can(?:no|')t|can not|am unable|am not able|don't have|do not have)"
    r"[^.!?\n]{0,160}\.(?:\s*$|\s+(?:please|is there|how(?:ever,)? (?:can|may) i))",
    r"^(?:this|that|your) (?:request|question|prompt|content)[^.!?\n\"]{0,60}"
    r"(?:violates|goes against|is against|is inappropriate|is not appropriate)",
    r"^i (?:must|have to) (?:respectfully )?(?:decline|refuse)",
    rf"^(?:i apologi[sz]e|sorry|apologies) for[^.!?\n\"]{{0,60}}[.!,] [^.!?\n\"]{{0,120}}\bi {_CANNOT}{_DO}",
    rf"^{_OPENING}(?:i|we|and)\s+(?:do not|don't)\s+(?:currently\s+)?have\s+"
    r"(?:the\s+)?(?:ability|capability)\s+to\b",
    r"^i[^.!?\n\"]{0,100}\b(?:can't|cannot)\s+(?:provide\s+assistance|assist|help)\b",
    r"^(?:no,\s+)?i (?:won't|will not) (?:be able to )?(?:help|assist|do|provide|write|create|generate)\b",
]
# Korean: "I cannot help / provide / answer", with or without an apology before it.
_KOREAN = [
    r"^[^.!?\n\"“”'‘’「」]{0,100}(?:도와\s?드릴|도움을\s?드릴|답변(?:해)?\s?드릴|답변할|대답할|제공(?:해)?\s?드릴|제공할|수행할"
    r"|알려\s?드릴|작성(?:해)?\s?드릴|작성할|생성할|지원할|응할|들어\s?드릴|해\s?드릴|처리할|말씀\s?드릴|설명(?:해)?\s?드릴)"
    r"\s*수(?:가|는)?\s*(?:없|어렵)",
    r"^(?:죄송|미안|유감|안타깝)[^\n\"“”'‘’「」]{0,80}?(?:수\s*(?:가|는)?\s*없(?:[^이]|$)|어렵습니다|불가능|곤란|거절|못\s?합니다|않습니다|없습니다)",
    r"^(?:요청하신|해당|그|이러한|이런)[^.\n\"“”'‘’「」]{0,60}(?:제공|답변|도움|지원|작성|생성|응답)[^.\n]{0,15}(?:수\s*없|거절|불가)",
    r"^[^.\n\"“”'‘’「」]{0,40}(?:AI|인공지능|언어\s?모델)[^.\n\"“”'‘’]{0,60}(?:수\s*(?:가|는)?\s*없습니다|불가능합니다)",
]
_JAPANESE = [
    r"^(?:申し訳|すみません|ごめん|恐れ入り|残念)[^\n「」\"]{0,80}?(?:できません(?!でし)|できかね|いたしかね|致しかね|控えさせていただき)",
    r"^[^\n「」\"。]{0,60}(?:お答え|お手伝い|ご提供|提供|回答|対応|お応え)[^\n「」。]{0,12}(?:できません(?!でし)|できかね|いたしかね)",
]
_CHINESE = [
    r"^(?:很?抱歉|对不起|對不起|不好意思)[^\n“”「」\"]{0,40}?(?:无法|無法|不能|不会|没有办法)",
    r"^我(?:无法|無法|不能)(?:提供|回答|帮助|协助|满足|完成|生成|创建|協助|幫助)",
]
_SPANISH = [
    r"^(?:lo siento|lo lamento|disculpa|perd[oó]n|lamentablemente"
    r"|desafortunadamente)[^\n\"«»“”]{0,80}?\bno (?:puedo|podemos|me es posible|soy capaz|tengo)\b",
    r"^(?:como [^.\n\"]{0,60}, )?no (?:puedo|me es posible|soy capaz de) (?:ayudar|proporcionar|responder"
    r"|cumplir|crear|generar|ofrecer|dar|escribir|realizar|asistir)",
]
_FRENCH = [
    r"^(?:désolée?|je suis (?:vraiment )?désolée?|je m'excuse|malheureusement|je regrette"
    r"|excusez)[^\n\"«»“”]{0,90}?\bje ne (?:peux|suis pas|dispose|sais|pourrai)\b",
    r"^(?:en tant qu[e'][^.\n\"]{0,60}, )?je ne (?:peux|suis) pas (?:en mesure |capable )?(?:de "
    r"|d')?(?:vous )?(?:aider|fournir|répondre|créer|générer|écrire|proposer|accéder|faire)",
]
_GERMAN = [
    r"^(?:es tut mir (?:sehr )?leid|tut mir leid|entschuldigung|leider)[^\n\"„“]{0,80}?\bkann (?:ich|dir"
    r"|ihnen)?[^\n.]{0,80}?\bnicht\b",
    r"^(?:das|dabei|ich) kann (?:ich )?(?:ihnen |dir )?(?:leider )?nicht (?:helfen|beantworten"
    r"|bereitstellen|erstellen)",
]

REFUSES = "(?i)" + "|".join([*_ENGLISH, *_KOREAN, *_JAPANESE, *_CHINESE, *_SPANISH, *_FRENCH, *_GERMAN])

# No answer without one of these refuses; the regular expressions see only answers with one.
STEMS = [
    *("can’t", "couldn’t", "won’t", "don’t"),
    *("can't", "cannot", "can not", "could not", "couldn't", "won't", "will not", "unable", "not able"),
    *("decline", "refuse", "comfortable", "not allowed", "not permitted", "not programmed", "not designed"),
    *("don't", "do not", "violates", "against", "inappropriate", "not appropriate", "an ai"),
    *("수 없", "수없", "수가 없", "수는 없", "어렵", "불가", "곤란"),
    *("거절", "못 합", "못합", "않습니다", "없습니다"),
    *("できません", "できかね", "しかね", "致しかね", "控えさせて"),
    *("无法", "無法", "不能", "不会", "没有办法", "no puedo", "no podemos", "no me es", "no soy", "no tengo"),
    *("je ne ", "kann "),
]

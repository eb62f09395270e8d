"""The language a prompt asks the answer to be in: said outright, left open, or the prompt's own."""

import re

# English, Korean, Japanese, Spanish, French, German and Chinese names of a language, by ISO 639 code.
_NAMES: dict[str, str] = {
    "en": "English 영어 英語 inglés anglais Englisch 英文 英语",
    "ko": "Korean 한국어 한국말 韓国語 coreano coréen Koreanisch 韩语 韓語 韩文",
    "ja": "Japanese 일본어 日本語 japonés japonais Japanisch 日语 日文",
    "zh": "Chinese Mandarin 중국어 中国語 chino chinois Chinesisch 中文 汉语 漢語",
    "es": "Spanish 스페인어 スペイン語 español castellano espagnol Spanisch 西班牙语",
    "fr": "French 프랑스어 불어 フランス語 francés français Französisch 法语 法文",
    "de": "German 독일어 ドイツ語 alemán allemand Deutsch 德语 德文",
    "it": "Italian 이탈리아어 イタリア語 italiano italien Italienisch 意大利语",
    "pt": "Portuguese 포르투갈어 ポルトガル語 portugués portugais Portugiesisch 葡萄牙语",
    "ru": "Russian 러시아어 ロシア語 ruso russe Russisch 俄语",
    "uk": "Ukrainian 우크라이나어 ウクライナ語 ucraniano ukrainien Ukrainisch",
    "ar": "Arabic 아랍어 アラビア語 árabe arabe Arabisch 阿拉伯语",
    "he": "Hebrew 히브리어 ヘブライ語 hebreo hébreu Hebräisch",
    "fa": "Persian Farsi 페르시아어 ペルシャ語 persa persan Persisch",
    "tr": "Turkish 터키어 튀르키예어 トルコ語 turco turc Türkisch",
    "nl": "Dutch 네덜란드어 オランダ語 neerlandés holandés néerlandais Niederländisch",
    "sv": "Swedish 스웨덴어 スウェーデン語 sueco suédois Schwedisch",
    "no": "Norwegian 노르웨이어 ノルウェー語 noruego norvégien Norwegisch",
    "da": "Danish 덴마크어 デンマーク語 danés danois Dänisch",
    "fi": "Finnish 핀란드어 フィンランド語 finlandés finés finnois Finnisch",
    "pl": "Polish 폴란드어 ポーランド語 polaco polonais Polnisch",
    "cs": "Czech 체코어 チェコ語 checo tchèque Tschechisch",
    "hu": "Hungarian 헝가리어 ハンガリー語 húngaro hongrois Ungarisch",
    "ro": "Romanian 루마니아어 ルーマニア語 rumano roumain Rumänisch",
    "bg": "Bulgarian 불가리아어 ブルガリア語 búlgaro bulgare Bulgarisch",
    "el": "Greek 그리스어 ギリシャ語 griego grec Griechisch",
    "hi": "Hindi 힌디어 ヒンディー語",
    "bn": "Bengali Bangla 벵골어 ベンガル語 bengalí",
    "ur": "Urdu 우르두어 ウルドゥー語 ourdou",
    "pa": "Punjabi 펀자브어 パンジャブ語 panyabí pendjabi",
    "mr": "Marathi 마라티어 マラーティー語",
    "gu": "Gujarati 구자라트어 グジャラート語",
    "ta": "Tamil 타밀어 タミル語 tamoul",
    "te": "Telugu 텔루구어 テルグ語 télougou",
    "kn": "Kannada 칸나다어 カンナダ語",
    "ml": "Malayalam 말라얄람어 マラヤーラム語",
    "ne": "Nepali 네팔어 ネパール語 nepalí népalais",
    "sw": "Swahili 스와힐리어 スワヒリ語 suajili",
    "th": "Thai 태국어 タイ語 tailandés thaï Thailändisch 泰语",
    "vi": "Vietnamese 베트남어 ベトナム語 vietnamita vietnamien Vietnamesisch 越南语",
    "id": "Indonesian 인도네시아어 インドネシア語 indonesio indonésien Indonesisch",
}
_CODES = {name.lower(): code for code, names in _NAMES.items() for name in names.split()}

LATIN_NAMES = sorted(name for name in _CODES if name[0] < "ɐ")
OTHER_NAMES = sorted((name for name in _CODES if name[0] > "ɐ"), key=len, reverse=True)

_NAME = rf"(?P<name>\b(?:{'|'.join(LATIN_NAMES)})\b)"
_OTHER = rf"(?P<name>{'|'.join(OTHER_NAMES)})"
_END = r"(?=\s*(?:language|$|[.,;:!?)\n]|only|please|and|with|about|for|without|throughout|that|no|on|so|to))"

# What says outright: answer in this language.
_SAID_IN_LATIN = tuple(
    re.compile(pattern)
    for pattern in (
        # English
        rf"\b(?:respon[ds]e?\w*|repl(?:y|ies)|answers?|writ(?:e|ten|ing)|output|speak|rewrite|criticize)\b[^.!?\n]{{0,80}}?"
        rf"\b(?:in|using|use)\s+(?:only\s+|just\s+|entirely\s+|completely\s+|fully\s+|the\s+|simplified\s+)*{_NAME}{_END}",
        rf"\b(?:only|entirely|completely|exclusively|solely|fully)\s+(?:in\s+|use\s+|using\s+)*(?:the\s+)?{_NAME}",
        rf"\b(?:in|using|use)\s+(?:only\s+|the\s+)*{_NAME}(?:\s+language)?\s*(?:only|throughout|,?\s*(?:and\s+)?no\s+other)",
        rf"{_NAME}(?:\s+language)?[^.\n]{{0,40}}\bno\s+other\s+language",
        # Spanish, French, German: the name within reach of a word for answering
        rf"\b(?:respuesta|respond\w*|escrib\w*|redact\w*|contest\w*)\b[^.!?\n]{{0,80}}\ben\s+{_NAME}",
        rf"\b(?:répons\w*|répond\w*|rédig\w*|écri\w*|formul\w*|texte)\b[^.!?\n]{{0,80}}\ben\s+{_NAME}",
        rf"\b(?:antwort\w*|schreib\w*)\b[^.!?\n]{{0,60}}\bauf\s+{_NAME}",
    )
)
_SAID_ELSEWHERE = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_OTHER}(?:で|のみ|だけ)[^。\n]{{0,40}}(?:書|答|説明|回答|述べ|返|出力|ください|して)",
        rf"{_OTHER}\s*(?:로만|로|만)\s*[^.\n]{{0,20}}(?:답|대답|응답|작성|써|쓰|설명|말|출력|해\s*줘|부탁)",
        rf"(?:用|以|使用){_OTHER}[^。\n]{{0,8}}(?:回答|回复|回覆|写|寫|答|输出)",
    )
)
_WORD = re.compile(r"\w+")
_SENTENCE_END = re.compile(r"[.!?\n。]+")
_OPEN = re.compile(
    r"\b(?:translat\w+|language|bilingual|traduc\w+|tradui\w+|übersetz\w+|idioma|langue|sprache)\b"
    r"|번역|언어|翻訳|言語|翻译|翻譯|语言"
)
OPEN = "open"

# A prompt without any of these says nothing about languages.
LANGUAGE_WORDS = [
    *sorted(_CODES),
    *("translat", "language", "bilingual", "traduc", "tradui", "übersetz", "idioma", "langue", "sprache"),
    *("번역", "언어", "翻訳", "言語", "翻译", "翻譯", "语言"),
]


def asked_language(prompt: str) -> str | None:
    """The ISO code asked for outright; `open` where languages are talked about without a clear demand;
    null where none is mentioned, so that the prompt's own language is expected.
    """
    prompt = prompt.lower()
    said: set[str] = set()
    is_named = False
    for sentence in _SENTENCE_END.split(prompt):
        patterns = _patterns_for(sentence)
        is_named = is_named or bool(patterns)
        said |= {_CODES[found.group("name")] for pattern in patterns for found in pattern.finditer(sentence)}
    if len(said) == 1:
        return said.pop()
    return OPEN if is_named or _OPEN.search(prompt) else None


def _patterns_for(sentence: str) -> tuple[re.Pattern[str], ...]:
    in_latin = not _CODES.keys().isdisjoint(_WORD.findall(sentence))
    elsewhere = not sentence.isascii() and any(name in sentence for name in OTHER_NAMES)
    return (_SAID_IN_LATIN if in_latin else ()) + (_SAID_ELSEWHERE if elsewhere else ())

// JSON as far as the link needs it: one flat object a line, arrays of texts, ASCII out.
#ifndef TIDEGATE_JSON
#define TIDEGATE_JSON

// A text in quotes, everything outside printable ASCII escaped. Brokers cut comments at a number
// of UTF-16 units: half a surrogate pair is no character and would break the frame.
string JsonQuote(const string text)
  {
   string quoted = "\"";
   int length = StringLen(text);
   for(int i = 0; i < length; i++)
     {
      ushort unit = StringGetCharacter(text, i);
      if(unit >= 0xD800 && unit <= 0xDFFF)
        {
         ushort next = 0;
         if(i + 1 < length)
            next = StringGetCharacter(text, i + 1);
         if(unit <= 0xDBFF && next >= 0xDC00 && next <= 0xDFFF)
           {
            quoted += StringFormat("\\u%04x\\u%04x", (int)unit, (int)next);
            i++;
           }
         else
            quoted += "?";
        }
      else if(unit == '\"' || unit == '\\')
         quoted += "\\" + ShortToString(unit);
      else if(unit < 0x20 || unit > 0x7E)
         quoted += StringFormat("\\u%04x", (int)unit);
      else
         quoted += ShortToString(unit);
     }
   return quoted + "\"";
  }

// A double so that it reads back as what a broker means: 15 significant digits. What is no number
// becomes 0; the caller has checked what may not be 0.
string JsonNumber(const double value)
  {
   if(!MathIsValidNumber(value))
      return "0";
   return StringFormat("%.15g", value);
  }

string JsonBool(const bool value)
  {
   return value ? "true" : "false";
  }

int JsonHexDigit(const int unit)
  {
   if(unit >= '0' && unit <= '9')
      return unit - '0';
   if(unit >= 'a' && unit <= 'f')
      return unit - 'a' + 10;
   if(unit >= 'A' && unit <= 'F')
      return unit - 'A' + 10;
   return -1;
  }

// The text between the quotes of a JSON string, escapes undone.
string JsonUnquote(const string raw)
  {
   string text = "";
   int last = StringLen(raw) - 1;
   for(int i = 1; i < last; i++)
     {
      ushort unit = StringGetCharacter(raw, i);
      if(unit == '\\' && i + 1 < last)
        {
         i++;
         unit = StringGetCharacter(raw, i);
         if(unit == 'n')
            unit = 10;
         else if(unit == 't')
            unit = 9;
         else if(unit == 'r')
            unit = 13;
         else if(unit == 'b')
            unit = 8;
         else if(unit == 'f')
            unit = 12;
         else if(unit == 'u' && i + 4 < last)
           {
            int code = 0;
            for(int k = 1; k <= 4; k++)
               code = code * 16 + MathMax(0, JsonHexDigit((int)StringGetCharacter(raw, i + k)));
            unit = (ushort)code;
            i += 4;
           }
        }
      text += ShortToString(unit);
     }
   return text;
  }

// The keys of one object with their values as they were written; `null` counts as absent.
class JsonObject
  {
private:
   string            m_keys[];
   string            m_values[];

   static bool       IsSpace(const int unit) { return unit == ' ' || unit == '\t' || unit == '\r'; }

   static int        SkipSpace(const string text, int at)
     {
      while(at < StringLen(text) && IsSpace((int)StringGetCharacter(text, at)))
         at++;
      return at;
     }

   // Where the value that begins here ends; -1 where it never does.
   static int        EndOfValue(const string text, const int start)
     {
      int length = StringLen(text);
      int depth = 0;
      bool inside = false;
      for(int i = start; i < length; i++)
        {
         ushort unit = StringGetCharacter(text, i);
         if(inside)
           {
            if(unit == '\\')
               i++;
            else if(unit == '\"')
              {
               inside = false;
               if(depth == 0)
                  return i + 1;
              }
            continue;
           }
         if(unit == '\"')
            inside = true;
         else if(unit == '[' || unit == '{')
            depth++;
         else if(unit == ']' || unit == '}')
           {
            if(depth == 0)
               return i;
            depth--;
            if(depth == 0)
               return i + 1;
           }
         else if(depth == 0 && (unit == ',' || IsSpace((int)unit)))
            return i;
        }
      return depth == 0 && !inside ? length : -1;
     }

   int               Find(const string key)
     {
      for(int i = 0; i < ArraySize(m_keys); i++)
         if(m_keys[i] == key)
            return i;
      return -1;
     }

public:
   // Whether the text is one object.
   bool              Parse(const string text)
     {
      ArrayResize(m_keys, 0);
      ArrayResize(m_values, 0);
      int length = StringLen(text);
      int at = SkipSpace(text, 0);
      if(at >= length || StringGetCharacter(text, at) != '{')
         return false;
      at = SkipSpace(text, at + 1);
      while(at < length && StringGetCharacter(text, at) != '}')
        {
         int end = EndOfValue(text, at);
         if(end < 0 || StringGetCharacter(text, at) != '\"')
            return false;
         string key = JsonUnquote(StringSubstr(text, at, end - at));
         at = SkipSpace(text, end);
         if(at >= length || StringGetCharacter(text, at) != ':')
            return false;
         at = SkipSpace(text, at + 1);
         end = EndOfValue(text, at);
         if(end <= at)
            return false;
         string value = StringSubstr(text, at, end - at);
         if(value != "null")
           {
            int count = ArraySize(m_keys);
            ArrayResize(m_keys, count + 1, 16);
            ArrayResize(m_values, count + 1, 16);
            m_keys[count] = key;
            m_values[count] = value;
           }
         at = SkipSpace(text, end);
         if(at < length && StringGetCharacter(text, at) == ',')
            at = SkipSpace(text, at + 1);
        }
      return at < length && SkipSpace(text, at + 1) == length;
     }

   bool              Has(const string key) { return Find(key) >= 0; }

   string            Text(const string key)
     {
      int at = Find(key);
      if(at < 0 || StringGetCharacter(m_values[at], 0) != '\"')
         return "";
      return JsonUnquote(m_values[at]);
     }

   long              Integer(const string key, const long otherwise)
     {
      int at = Find(key);
      return at < 0 ? otherwise : StringToInteger(m_values[at]);
     }

   double            Number(const string key, const double otherwise)
     {
      int at = Find(key);
      return at < 0 ? otherwise : StringToDouble(m_values[at]);
     }

   // The texts of an array of texts.
   void              Texts(const string key, string &texts[])
     {
      ArrayResize(texts, 0);
      int found = Find(key);
      if(found < 0)
         return;
      string raw = m_values[found];
      int at = SkipSpace(raw, 1);
      while(at < StringLen(raw) && StringGetCharacter(raw, at) == '\"')
        {
         int end = EndOfValue(raw, at);
         if(end < 0)
            return;
         int count = ArraySize(texts);
         ArrayResize(texts, count + 1, 16);
         texts[count] = JsonUnquote(StringSubstr(raw, at, end - at));
         at = SkipSpace(raw, end);
         if(at < StringLen(raw) && StringGetCharacter(raw, at) == ',')
            at = SkipSpace(raw, at + 1);
        }
     }
  };

#endif

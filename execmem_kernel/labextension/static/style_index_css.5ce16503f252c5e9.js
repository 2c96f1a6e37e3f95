"use strict";(self.rspackChunkexecmem_kernel=self.rspackChunkexecmem_kernel||[]).push([["style_index_css"],{"../../node_modules/css-loader/dist/cjs.js!./style/base.css"(e,t,o){var r=o("../../node_modules/css-loader/dist/runtime/noSourceMaps.js"),n=o.n(r),s=o("../../node_modules/css-loader/dist/runtime/api.js"),a=(o.n(s))()(n());a.push([e.id,`/* Tooltips in the theme's colours: CodeMirror's own are made for a white page. */
.jp-CodeCell .cm-tooltip:has(.cm-diagnostic),
.jp-CodeCell .cm-tooltip:has(.execmem-hover) {
  background: var(--jp-layout-color1);
  border: var(--jp-border-width) solid var(--jp-border-color1);
  color: var(--jp-ui-font-color1);
  box-shadow: var(--jp-elevation-z6);
  max-width: 40em;
}

.jp-CodeCell .cm-diagnostic {
  font-family: var(--jp-ui-font-family);
  font-size: var(--jp-ui-font-size1);
}

.jp-CodeCell .cm-diagnostic .execmem-remark {
  color: var(--jp-ui-font-color2);
  font-family: var(--jp-code-font-family);
}

.jp-CodeCell .cm-diagnosticAction {
  background: var(--jp-brand-color1);
  color: var(--jp-ui-inverse-font-color1);
}

.jp-CodeCell .execmem-hover {
  max-height: 20em;
  overflow: auto;
  padding: 0 8px;
}

.jp-CodeCell .cm-panels:has(.execmem-load-hint) {
  background: var(--jp-warn-color3);
  border: none;
  color: var(--jp-content-font-color0);
}

.execmem-load-hint {
  font-family: var(--jp-ui-font-family);
  font-size: var(--jp-ui-font-size1);
  padding: 2px 6px;
}

.execmem-load-hint code {
  background: none;
  color: inherit;
  font-family: var(--jp-code-font-family);
}

.execmem-reference {
  overflow: auto;
  padding: 12px 24px;
}
`,""]),o.d(t,{},{A:a})},"../../node_modules/css-loader/dist/cjs.js!./style/index.css"(e,t,o){var r=o("../../node_modules/css-loader/dist/runtime/noSourceMaps.js"),n=o.n(r),s=o("../../node_modules/css-loader/dist/runtime/api.js"),a=o.n(s),i=o("../../node_modules/css-loader/dist/cjs.js!./style/base.css"),l=a()(n());l.i(i.A),l.push([e.id,`
`,""]),o.d(t,{},{A:l})},"../../node_modules/css-loader/dist/runtime/api.js"(e){e.exports=function(e){var t=[];return t.toString=function(){return this.map(function(t){var o="",r=void 0!==t[5];return t[4]&&(o+="@supports (".concat(t[4],") {")),t[2]&&(o+="@media ".concat(t[2]," {")),r&&(o+="@layer".concat(t[5].length>0?" ".concat(t[5]):""," {")),o+=e(t),r&&(o+="}"),t[2]&&(o+="}"),t[4]&&(o+="}"),o}).join("")},t.i=function(e,o,r,n,s){"string"==typeof e&&(e=[[null,e,void 0]]);var a={};if(r)for(var i=0;i<this.length;i++){var l=this[i][0];null!=l&&(a[l]=!0)}for(var d=0;d<e.length;d++){var c=[].concat(e[d]);r&&a[c[0]]||(void 0!==s&&(void 0===c[5]||(c[1]="@layer".concat(c[5].length>0?" ".concat(c[5]):""," {").concat(c[1],"}")),c[5]=s),o&&(c[2]&&(c[1]="@media ".concat(c[2]," {").concat(c[1],"}")),c[2]=o),n&&(c[4]?(c[1]="@supports (".concat(c[4],") {").concat(c[1],"}"),c[4]=n):c[4]="".concat(n)),t.push(c))}},t}},"../../node_modules/css-loader/dist/runtime/noSourceMaps.js"(e){e.exports=function(e){return e[1]}},"./style/index.css"(e,t,o){o.r(t);var r=o("../../node_modules/style-loader/dist/runtime/injectStylesIntoStyleTag.js"),n=o.n(r),s=o("../../node_modules/style-loader/dist/runtime/styleDomAPI.js"),a=o.n(s),i=o("../../node_modules/style-loader/dist/runtime/insertBySelector.js"),l=o.n(i),d=o("../../node_modules/style-loader/dist/runtime/setAttributesWithoutAttributes.js"),c=o.n(d),u=o("../../node_modules/style-loader/dist/runtime/insertStyleElement.js"),m=o.n(u),p=o("../../node_modules/style-loader/dist/runtime/styleTagTransform.js"),f=o.n(p),v=o("../../node_modules/css-loader/dist/cjs.js!./style/index.css"),y={};y.styleTagTransform=f(),y.setAttributes=c(),y.insert=l().bind(null,"head"),y.domAPI=a(),y.insertStyleElement=m(),n()(v.A,y);let h=v.A&&v.A.locals?v.A.locals:void 0;o.d(t,{},{default:h})},"../../node_modules/style-loader/dist/runtime/injectStylesIntoStyleTag.js"(e){var t=[];function o(e){for(var o=-1,r=0;r<t.length;r++)if(t[r].identifier===e){o=r;break}return o}function r(e,r){for(var n={},s=[],a=0;a<e.length;a++){var i=e[a],l=r.base?i[0]+r.base:i[0],d=n[l]||0,c="".concat(l," ").concat(d);n[l]=d+1;var u=o(c),m={css:i[1],media:i[2],sourceMap:i[3],supports:i[4],layer:i[5]};if(-1!==u)t[u].references++,t[u].updater(m);else{var p=function(e,t){var o=t.domAPI(t);return o.update(e),function(t){t?(t.css!==e.css||t.media!==e.media||t.sourceMap!==e.sourceMap||t.supports!==e.supports||t.layer!==e.layer)&&o.update(e=t):o.remove()}}(m,r);r.byIndex=a,t.splice(a,0,{identifier:c,updater:p,references:1})}s.push(c)}return s}e.exports=function(e,n){var s=r(e=e||[],n=n||{});return function(e){e=e||[];for(var a=0;a<s.length;a++){var i=o(s[a]);t[i].references--}for(var l=r(e,n),d=0;d<s.length;d++){var c=o(s[d]);0===t[c].references&&(t[c].updater(),t.splice(c,1))}s=l}}},"../../node_modules/style-loader/dist/runtime/insertBySelector.js"(e){var t={};e.exports=function(e,o){var r=function(e){if(void 0===t[e]){var o=document.querySelector(e);if(window.HTMLIFrameElement&&o instanceof window.HTMLIFrameElement)try{o=o.contentDocument.head}catch(e){o=null}t[e]=o}return t[e]}(e);if(!r)throw Error("Couldn't find a style target. This probably means that the value for the 'insert' parameter is invalid.");r.appendChild(o)}},"../../node_modules/style-loader/dist/runtime/insertStyleElement.js"(e){e.exports=function(e){var t=document.createElement("style");return e.setAttributes(t,e.attributes),e.insert(t,e.options),t}},"../../node_modules/style-loader/dist/runtime/setAttributesWithoutAttributes.js"(e,t,o){e.exports=function(e){var t=o.nc;t&&e.setAttribute("nonce",t)}},"../../node_modules/style-loader/dist/runtime/styleDomAPI.js"(e){e.exports=function(e){if("u"<typeof document)return{update:function(){},remove:function(){}};var t=e.insertStyleElement(e);return{update:function(o){var r,n,s;r="",o.supports&&(r+="@supports (".concat(o.supports,") {")),o.media&&(r+="@media ".concat(o.media," {")),(n=void 0!==o.layer)&&(r+="@layer".concat(o.layer.length>0?" ".concat(o.layer):""," {")),r+=o.css,n&&(r+="}"),o.media&&(r+="}"),o.supports&&(r+="}"),(s=o.sourceMap)&&"u">typeof btoa&&(r+="\n/*# sourceMappingURL=data:application/json;base64,".concat(btoa(unescape(encodeURIComponent(JSON.stringify(s))))," */")),e.styleTagTransform(r,t,e.options)},remove:function(){var e;null===(e=t).parentNode||e.parentNode.removeChild(e)}}}},"../../node_modules/style-loader/dist/runtime/styleTagTransform.js"(e){e.exports=function(e,t){if(t.styleSheet)t.styleSheet.cssText=e;else{for(;t.firstChild;)t.removeChild(t.firstChild);t.appendChild(document.createTextNode(e))}}}}]);